"""What a folder tells of its points: their names, their values, and what they are judged by.

A point's name is that of its folder: readable, unique, and fit for every file system. Never
``name=value``, which table readers take for partitions with columns of their own.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from sim.record.errors import ResultError
from sim.record.folder import POINTS_FILE, Record, again, read_record
from sim.record.metrics import Better, Bounds

BASE = "base"
"""Name of the only point where nothing is varied."""
_LONGEST = 100
_FEWEST_PARTS = 2


@dataclass(frozen=True)
class ProtocolRecord:
    """What a reader must know of a protocol, whatever its kind."""

    kind: str
    needs_server: bool
    is_reference: bool
    """Whether it is there to measure the others by, and need not do as much work as they."""


@dataclass(frozen=True)
class TargetRecord:
    """The score to reach, on the validation data."""

    metric: str
    value: float
    of: str
    """mean or worst, of the clients' scores; or aggregate, of that model."""
    stage: str


@dataclass(frozen=True)
class PointRecord:
    """One combination of values, as `sweep.json` has it; a run is one point without values."""

    name: str
    values: Mapping[str, float | str]
    """By path: numbers in the path's unit if all its values are numbers, else text."""
    written: Mapping[str, str]
    """The same as the user wrote them."""
    protocols: Mapping[str, ProtocolRecord]
    seeds: tuple[int, ...]
    clients: int
    duration_s: float
    crash_s: float | None
    """When the first crash of the server strikes that has a time of its own; without one, the
    first of any node."""
    crash_node: str | None
    """Whose it is: a name, or of several that crash together names and ranges of them."""
    target: TargetRecord | None

    @property
    def runs(self) -> int:
        """One for each protocol and seed."""
        return len(self.protocols) * len(self.seeds)


@dataclass(frozen=True)
class FolderRecord:
    """What `run.json` and `sweep.json` tell alike, whatever has come of it yet."""

    scenario: str
    """Its name."""
    metric: str
    """What it is judged by."""
    directions: Mapping[str, Better]
    """Which values of its task's metrics are the better ones."""
    bounds: Mapping[str, Bounds]
    """Between which values they lie."""
    units: Mapping[str, str]
    """By varied path s, B, B/s, 1/s, or nothing for plain numbers and text."""
    tune: tuple[str, ...]
    """Of the varied paths those whose value each protocol and seed takes for itself: the one that
    was best on validation data."""
    points: tuple[PointRecord, ...]

    def as_dict(self) -> Record:
        """For JSON."""
        return asdict(self)


def read_points(path: Path) -> tuple[FolderRecord, Record] | None:
    """What a `run.json` or `sweep.json` tells, and all that it holds; None if it is not there.

    Raises ResultError if it can't be read or is of another format.
    """
    record = read_record(path)
    if record is None:
        return None
    try:
        points = tuple(_point(one) for one in record["points"])
        told = {name: record[name] for name in ("scenario", "metric", "directions", "units")}
        bounds = {name: (low, high) for name, (low, high) in record["bounds"].items()}
        found = FolderRecord(**told, bounds=bounds, tune=tuple(record["tune"]), points=points)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        what = f"is not what a reader needs ({error})"
        raise ResultError(f"{path}: {what}; allowed: what `braintorrent` has written") from None
    return found, record


def _point(told: Record) -> PointRecord:
    protocols = {name: ProtocolRecord(**one) for name, one in told["protocols"].items()}
    target = told["target"] and TargetRecord(**told["target"])
    read = {"protocols": protocols, "seeds": tuple(told["seeds"]), "target": target}
    return PointRecord(**{**told, **read})


def read_sweep(folder: Path) -> tuple[FolderRecord, Record]:
    """The same of a sweep's folder, which has it from the beginning. Raises ResultError."""
    found = read_points(folder / POINTS_FILE)
    if found is None:
        allowed = f"to continue it: {again(folder)}"
        raise ResultError(f"{folder}: lacks {POINTS_FILE}; allowed: {allowed}")
    return found


def point_names(paths: Sequence[str], combinations: Sequence[Sequence[str]]) -> list[str]:
    """A name for each combination of values, which are as written and in the order of ``paths``.

    A value stands after its path's tail: ``server_crash.at-3min``. Names that would be too long or
    equal, without regard to case, end in digits of a hash of what they mean. No paths: ``base``.
    """
    ends = tails(paths)
    names = [
        ",".join(f"{tail}-{portable(text)}" for tail, text in zip(ends, texts, strict=True)) or BASE
        for texts in combinations
    ]
    counts = Counter(name.casefold() for name in names)
    return [
        name
        if counts[name.casefold()] == 1 and len(name) <= _LONGEST
        else f"{name[:_LONGEST]}-{_hash(paths, texts)}"
        for name, texts in zip(names, combinations, strict=True)
    ]


def shortened(name: str) -> str:
    """A file's name that every file system takes; one that is cut off ends in digits of a hash."""
    if len(name) <= _LONGEST:
        return name
    return f"{name[:_LONGEST]}-{_digits(name)}"


def tails(paths: Sequence[str]) -> list[str]:
    """The end of each path, two parts or as many as tell the paths apart."""
    split = [path.split(".") for path in paths]
    for length in range(_FEWEST_PARTS, max(map(len, split), default=0) + 1):
        found = [".".join(parts[-length:]) for parts in split]
        if len(set(found)) == len(found):
            return found
    return list(paths)


def portable(text: str) -> str:
    """What a user wrote as a part of a file's name: `2 / h` is `2perh`."""
    joined = re.sub(r"\s+", "", text).replace("/", "per")
    return re.sub(r"[^A-Za-z0-9.+-]+", "_", joined).strip("._")


def file_part(name: str) -> str:
    """A name as a part of a file's name; one that isn't fit for it ends in digits of a hash."""
    fit = re.sub(r"[^A-Za-z0-9_.,+-]", "_", name)[:_LONGEST]
    return fit if fit == name and fit.strip(".") else f"{fit.lstrip('.')}-{_digits(name)}"


def _hash(paths: Sequence[str], texts: Sequence[str]) -> str:
    meaning = "\n".join(f"{path}={text}" for path, text in zip(paths, texts, strict=True))
    return _digits(meaning)


def _digits(meaning: str) -> str:
    return hashlib.sha256(meaning.encode()).hexdigest()[:8]
