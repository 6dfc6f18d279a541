"""What decides the bits of a model beside its learner's description: one name for all of it."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import torch

from models.arithmetic.compiled import compiler_version
from models.bits import devices
from models.bits.code import digest, distribution, is_distributed, library_version
from models.training import TrainingSettings
from sim.record.code import NO_CODE, OURS, Code, active, is_own, meaning
from sim.record.errors import Refusal
from sim.record.settings import Settings, own_kinds, values

_TOWER = Path(__file__).parents[1]


@dataclass(frozen=True)
class Outside:
    """What computes and isn't this tower's.

    `definitions`: the names of those in the user's `code`; `modules`: of the Python files of kinds
    that were added to a registry.
    """

    definitions: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    code: Code = NO_CODE

    def __or__(self, other: Outside) -> Outside:
        definitions = sorted({*self.definitions, *other.definitions})
        modules = sorted({*self.modules, *other.modules})
        return Outside(tuple(definitions), tuple(modules), self.code or other.code)


NOTHING = Outside()


def fingerprint(
    training: TrainingSettings, libraries: Sequence[str], outside: Outside = NOTHING
) -> str:
    """Names what decides bits beside a learner's description: code, libraries, CPU, compiler.

    `libraries`: the names of those that compute, but for those that a user's code imports itself.

    Raises Refusal if the machine lacks the device or, in batched arithmetic, a compiler.
    """
    found = sha256(_tower())
    found.update(_added(outside.modules))
    does = meaning(outside.code, outside.definitions)
    found.update(does.digest.encode())
    for library in (*libraries, *map(distribution, does.libraries)):
        found.update(library_version(library).encode())
    found.update(_added(tuple(one for one in does.libraries if _is_loose(one))))
    compiled_by = compiler_version() if training.arithmetic == "batched" else "nothing"
    found.update(
        f"{platform.machine()} cpu={torch.backends.cpu.get_cpu_capability()} threads=1 "
        f"layout=channels_last arithmetic={training.arithmetic} compiler={compiled_by} "
        f"device={devices.described(training.device)}".encode()
    )
    return found.hexdigest()


def environment(
    trainings: Sequence[TrainingSettings], libraries: Sequence[str], outside: Outside = NOTHING
) -> dict[str, str]:
    """What decides bits, in words that people can compare, by what it is.

    Equal in two processes if the same operation gives the same bits in both. `trainings`: those
    that will be done here; device and compiler matter only as far as they use them. `libraries`,
    `outside`: as in `fingerprint`. Raises Refusal as it does.
    """
    prints = sorted({fingerprint(training, libraries, outside)[:12] for training in trainings})
    return {
        "Python": ".".join(platform.python_version_tuple()[:2]),
        **{name: library_version(name) for name in libraries},
        "processor": f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}",
        "fingerprint": " ".join(prints),
    }


def outside_of(*settings: Settings) -> Outside:
    """What computes these kinds, and those chosen within them, outside of this tower."""
    kinds = [type(one) for part in settings for one in values(part) if isinstance(one, Settings)]
    classes = {one for kind in kinds for one in kind.__mro__ if issubclass(one, Settings)}
    of_users = own_kinds(*settings)
    modules = {one.__module__ for one in classes if not is_own(one)}
    added = sorted(name for name in modules if name.partition(".")[0] not in OURS)
    return Outside(of_users, tuple(added), active() if of_users else NO_CODE)


def outside_named(names: Sequence[str]) -> Outside:
    """The user's own metrics and losses of these names."""
    return Outside(tuple(sorted(names)), code=active()) if names else NOTHING


def _is_loose(module: str) -> bool:
    """Whether a module is here, but of no library that was installed: what it says counts."""
    return not is_distributed(module) and importlib.util.find_spec(module) is not None


@functools.cache
def _tower() -> bytes:
    found = sha256()
    for path in sorted(_TOWER.rglob("*.py"), key=lambda path: path.relative_to(_TOWER).as_posix()):
        found.update(path.relative_to(_TOWER).as_posix().encode())
        found.update(digest(path))
    return found.digest()


@functools.cache
def _added(modules: tuple[str, ...]) -> bytes:
    found = sha256()
    for name in modules:
        for path in _files(name):
            found.update(f"{name} {path.name}".encode())
            found.update(digest(path))
    return found.digest()


def _files(module: str) -> list[Path]:
    """A module's file, and all others of its folder if that is a package: they may help it."""
    found = importlib.import_module(module)
    file = getattr(found, "__file__", None)
    if file is None or module == "__main__":
        what = f"a kind is defined in {module}, which worker processes can't import"
        raise Refusal(what, "a file of its own, given by --code", ("task", "name"))
    return sorted(Path(file).parent.rglob("*.py")) if found.__package__ else [Path(file)]
