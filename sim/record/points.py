"""Folder names of a sweep's points: readable, unique, and fit for every file system.

A room of its own because a name is a promise: results are found under it again. Never
``name=value``, which table readers take for partitions with columns of their own.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence

BASE = "base"
_LONGEST = 100
_FEWEST_PARTS = 2


def point_names(paths: Sequence[str], combinations: Sequence[Sequence[str]]) -> list[str]:
    """A name for each combination of values, which are as written and in the order of ``paths``.

    A value stands after its path's tail: ``server_crash.at-3min``. Names that would be too long or
    equal, without regard to case, end in digits of a hash of what they mean. No paths: ``base``.
    """
    ends = tails(paths)
    names = [
        ",".join(f"{tail}-{_portable(text)}" for tail, text in zip(ends, texts, strict=True))
        or BASE
        for texts in combinations
    ]
    counts = Counter(name.casefold() for name in names)
    return [
        name
        if counts[name.casefold()] == 1 and len(name) <= _LONGEST
        else f"{name[:_LONGEST]}-{_hash(paths, texts)}"
        for name, texts in zip(names, combinations, strict=True)
    ]


def tails(paths: Sequence[str]) -> list[str]:
    """The end of each path, two parts or as many as tell the paths apart."""
    split = [path.split(".") for path in paths]
    for length in range(_FEWEST_PARTS, max(map(len, split), default=0) + 1):
        found = [".".join(parts[-length:]) for parts in split]
        if len(set(found)) == len(found):
            return found
    return list(paths)


def _portable(text: str) -> str:
    joined = re.sub(r"\s+", "", text).replace("/", "per")
    return re.sub(r"[^A-Za-z0-9.+-]+", "_", joined).strip("._")


def _hash(paths: Sequence[str], texts: Sequence[str]) -> str:
    meaning = "\n".join(f"{path}={text}" for path, text in zip(paths, texts, strict=True))
    return hashlib.sha256(meaning.encode()).hexdigest()[:8]
