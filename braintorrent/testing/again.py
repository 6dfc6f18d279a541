"""The same trials once more, in a process of their own: other addresses, other hashes of text.

What depends on the order of a set, on `id` or `hash`, or on a generator that nobody seeded comes
out otherwise there. They are played last one first: what one leaves behind for the next shows, too.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

from braintorrent.testing.broken import Broken
from braintorrent.testing.trials import Trial
from braintorrent.testing.worlds import random_world
from sim.record.rows import TraceRow
from sim.record.settings import Settings

_CHILD = "BRAINTORRENT_TESTING_AGAIN"
_NOT_FOUND = 3
Rows = list[list[Any]]
"""A trace as JSON has it: lists for tuples."""


class Again:
    """Trials that are played once more: elsewhere, or here where their code can't be found.

    They must be of the random worlds of `seed` and `lasts_s`.
    """

    def __init__(self, trials: Sequence[Trial], seed: int, lasts_s: float) -> None:
        self._trials = trials
        self._worlds = {"seed": seed, "lasts_s": lasts_s}
        kinds = (trials[0].protocol, *trials[0].faults.values())
        # There, a module that checks itself when it is imported would begin all over again.
        self._is_elsewhere = _CHILD not in os.environ and all(map(_can_be_found, kinds))
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Again:
        # Files, so that the other process never waits for somebody to read.
        self._answers = tempfile.TemporaryFile("w+", encoding="utf-8")
        self._errors = tempfile.TemporaryFile("w+", encoding="utf-8")
        return self

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._answers.close()
        self._errors.close()

    def begin(self) -> None:
        """Let the other process go to work, if it can and hasn't yet."""
        if not self._is_elsewhere or self._process is not None:
            return
        path = os.pathsep.join(filter(None, sys.path))
        hashes = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
        self._process = subprocess.Popen(
            [sys.executable, "-c", f"import {__name__} as again; again.main()"],
            stdin=subprocess.PIPE,
            stdout=self._answers,
            stderr=self._errors,
            text=True,
            env=os.environ | {"PYTHONPATH": path, "PYTHONHASHSEED": hashes, _CHILD: "1"},
        )
        assert self._process.stdin is not None
        with self._process.stdin as asked:
            trials = [_described(trial) for trial in reversed(self._trials)]
            json.dump({"trials": trials, **self._worlds}, asked)

    def traces(self) -> list[Rows]:
        """One trace for each trial, in order. Raises Broken if the other process failed."""
        status = _NOT_FOUND if self._process is None else self._process.wait()
        if status == _NOT_FOUND:
            return [as_json(trial.unwatched()) for trial in reversed(self._trials)][::-1]
        self._answers.seek(0)
        self._errors.seek(0)
        if status:
            last = self._errors.read().strip().splitlines()[-1:]
            raise Broken(f"fails only when it runs in a process of its own: {' '.join(last)}")
        return [json.loads(line) for line in self._answers][::-1]


def as_json(rows: Sequence[TraceRow]) -> Rows:
    """The rows as they come back from another process."""
    found: Rows = json.loads(json.dumps(rows))
    return found


def _can_be_found(settings: Settings) -> bool:
    """Whether its class is what another process that imports its module has by that name."""
    kind = type(settings)
    found: Any = sys.modules.get(kind.__module__)
    for name in kind.__qualname__.split("."):
        found = getattr(found, name, None)
    return found is kind and kind.__module__ != "__main__"


def _described(trial: Trial) -> dict[str, Any]:
    return {
        "number": trial.world.number,
        "protocol": _kind(trial.protocol),
        "faults": {name: _kind(fault) for name, fault in trial.faults.items()},
    }


def _kind(settings: Settings) -> dict[str, Any]:
    kind = type(settings)
    return {
        "module": kind.__module__,
        "file": sys.modules[kind.__module__].__file__,
        "name": kind.__qualname__,
        "settings": settings.model_dump(mode="json", exclude_none=True),
    }


# -- in the other process ----------------------------------------------------------------------


def main() -> None:
    """Play what is asked for on standard input; one trace a line is the answer."""
    asked = json.load(sys.stdin)
    for each in asked["trials"]:
        kept = _scattered(each["number"])
        protocol = _settings(each["protocol"])
        world = random_world(asked["seed"], each["number"], asked["lasts_s"], protocol.servers)
        faults = {name: _settings(fault) for name, fault in each["faults"].items()}
        trial = Trial(world, protocol, faults)
        sys.stdout.write(json.dumps(trial.unwatched()) + "\n")
        del kept


def _settings(told: Mapping[str, Any]) -> Any:
    found: Any = _module(told["module"], told["file"])
    for name in told["name"].split("."):
        found = getattr(found, name)
    return found.model_validate(told["settings"])


def _module(name: str, file: str | None) -> ModuleType:
    """The module by its name, or, as some test runners import what they find, by its file."""
    try:
        return importlib.import_module(name)
    except ImportError:
        spec = importlib.util.spec_from_file_location(name, file) if file else None
        if spec is None or spec.loader is None:
            sys.exit(_NOT_FOUND)
        module = sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module


class _Hole:
    """As large as any object of a class without slots."""


def _scattered(seed: int) -> Sequence[object]:
    """Leave holes of many sizes in memory, so that new objects come to lie in no order.

    Another one each time: what one world leaves behind puts the next one's objects in much the same
    order in any process.
    """
    draws = random.Random(seed)
    blocks: list[object] = [_Hole() for _ in range(10_000)]
    blocks += [bytes(draws.randrange(480)) for _ in range(10_000)]
    draws.shuffle(blocks)
    return blocks[::2]
