"""The points of a sweep, from nothing but its file: their folders' names, values and settings.

A room of its own because a sweep that was interrupted is known by what it should have become: a
point without a folder is missing, and only the file tells of it.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from analysis.errors import ResultError
from analysis.files import yaml_value
from analysis.quantities import quantity

BASE = "base"
"""Name of the only point where nothing is varied."""
_LONGEST = 100
_FEWEST_PARTS = 2

Settings = Mapping[str, Any]


@dataclass(frozen=True)
class Point:
    """One combination of the varied settings' values."""

    name: str
    """Names its folder."""
    written: Mapping[str, str]
    """By path the values as the user wrote them."""
    values: Mapping[str, float | str]
    """By path numbers in base units (s, B, B/s, 1/s), or text where it is no number."""
    settings: Settings
    """The whole scenario with these values, which stand in it as they were written."""


def points_of(settings: Settings, sweep: Mapping[str, Sequence[Any]]) -> tuple[Point, ...]:
    """All combinations of the values in a sweep's section, the last path's changing fastest.

    A path's values are numbers if all of them are, else text. Raises ResultError for a path that
    the scenario does not have.
    """
    paths = list(sweep)
    axes = [[_text(value) for value in sweep[path]] for path in paths]
    meant = [{text: yaml_value(text) for text in texts} for texts in axes]
    values = [_axis_values(each) for each in meant]
    combinations = list(itertools.product(*axes))
    points = []
    for name, texts in zip(point_names(paths, combinations), combinations, strict=True):
        own = settings
        for path, text, each in zip(paths, texts, meant, strict=True):
            own = _with(own, path.split("."), each[text], path)
        points.append(
            Point(
                name,
                dict(zip(paths, texts, strict=True)),
                {path: each[text] for path, each, text in zip(paths, values, texts, strict=True)},
                own,
            )
        )
    return tuple(points)


def _text(value: Any) -> str:
    # As the sweep's own file writes values: JSON is YAML in one line.
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _axis_values(meant: Mapping[str, Any]) -> dict[str, float | str]:
    numbers = {text: number(value) for text, value in meant.items()}
    found = {text: value for text, value in numbers.items() if value is not None}
    if len(found) == len(meant):
        return dict(found)
    return {text: value if isinstance(value, str) else text for text, value in meant.items()}


def number(value: Any) -> float | None:
    """A setting as a float, a quantity in its base unit; None if it is neither."""
    if isinstance(value, str):
        return quantity(value)
    return None if isinstance(value, bool) or not isinstance(value, int | float) else float(value)


def _with(settings: Any, parts: Sequence[str], value: Any, path: str) -> Any:
    """`settings` with another value at a path; shares all that is not on it."""
    if not parts:
        return value
    first, rest = parts[0], parts[1:]
    if isinstance(settings, dict):
        # What is at its default of None is not written.
        return {**settings, first: _with(settings.get(first, {}), rest, value, path)}
    if isinstance(settings, list) and first.isdecimal() and int(first) < len(settings):
        place = int(first)
        return [
            *settings[:place],
            _with(settings[place], rest, value, path),
            *settings[place + 1 :],
        ]
    raise ResultError(f"sweep: {path}: is no setting of the scenario; allowed: its settings' paths")


def point_names(paths: Sequence[str], combinations: Sequence[Sequence[str]]) -> list[str]:
    """The folder name of each combination of written values, as the simulator names it."""
    tails = _tails(paths)
    names = [
        ",".join(f"{tail}-{_portable(text)}" for tail, text in zip(tails, texts, strict=True))
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


def _tails(paths: Sequence[str]) -> list[str]:
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
