"""How much real work is done and of how much, told by the program that does it to those who ask.

It is for the display only: no result depends on it, and a disk that refuses it stops nothing.
"""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from sim.record.files import make_way, opened, read_bytes
from sim.record.folder import STORE_FOLDER

_FILE = "progress.json"
_SCORES = "scores.jsonl"
_MODELS = "models"
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class Work:
    """What a session has done of what it knows so far."""

    trained: int
    """Trainings done."""
    trainings: int
    evaluated: int
    """Evaluations done."""
    evaluations: int
    simulated_runs: int
    """Runs whose clock has ended: only with the last of them is all known."""
    total_runs: int


@dataclass(frozen=True)
class Stored:
    """What any session has left in the store, whatever becomes of this one."""

    evaluations: int
    models: int
    size_bytes: int
    """Of the models."""


def tell(home: Path, work: Work) -> None:
    """Leave word in the folder `home`; a reader finds the old word or the new one, and whole."""
    target = home / STORE_FOLDER / _FILE
    unfinished = target.with_name(f".{_FILE}")
    with suppress(OSError):
        make_way(unfinished)  # It may be a link to elsewhere.
        unfinished.write_text(json.dumps(asdict(work)), encoding="utf-8")
        unfinished.replace(target)


def forget(home: Path) -> None:
    """All is done: there is nothing to tell any more."""
    with suppress(OSError):
        (home / STORE_FOLDER / _FILE).unlink(missing_ok=True)


def told(home: Path) -> Work | None:
    """The last word of the program that works there, or of the last that did; None if none did."""
    with suppress(OSError, ValueError, TypeError):
        return Work(**json.loads(read_bytes(home / STORE_FOLDER / _FILE)))
    return None


def stored(home: Path) -> Stored:
    """What the store holds, by its files."""
    sizes, store = [], home / STORE_FOLDER
    for path in (store / _MODELS).glob("*/*.npy"):
        with suppress(OSError):  # The store lets go of what nothing needs.
            sizes.append(path.stat().st_size)
    return Stored(_lines(store / _SCORES), len(sizes), sum(sizes))


def _lines(path: Path) -> int:
    try:
        with opened(path) as file:
            return sum(part.count(b"\n") for part in iter(lambda: file.read(_CHUNK_BYTES), b""))
    except OSError:
        return 0
