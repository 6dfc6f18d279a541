"""The schema library's complaints in a researcher's words, with the place in the file."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from sim.record.errors import Path, Refusal, ScenarioError, nearest, scenario_error
from sim.scenario.mistakes import hints
from sim.scenario.yaml_loader import Document

_LENGTHS = ("too_short", "too_long")


def translated(
    error: ValidationError, document: Document, told: Collection[Path] = ()
) -> ScenarioError:
    """The mistakes of ``error`` in the order of ``document``, but for those below ``told``."""
    complaints = (_Complaint(one, document) for one in error.errors(include_url=False))
    found = _not_following([one for one in complaints if not _is_below(one.path, told)])
    found.sort(key=lambda one: one.order(document.source))
    lines = (scenario_error(one.place, one.path, *one.words()).args[0] for one in found)
    return ScenarioError(*dict.fromkeys(lines))


def _is_below(path: Path, parts: Iterable[Path]) -> bool:
    return any(path[: len(part)] == part for part in parts)


def _not_following(found: Sequence[_Complaint]) -> list[_Complaint]:
    """Without those that another one explains."""
    # A list with a wrong entry is also called too short.
    inner = {one.path[:length] for one in found for length in range(len(one.path))}
    # A misspelt key is missing, too.
    misspelt = {(*one.path[:-1], one.meant) for one in found if one.meant}
    return [
        one
        for one in found
        if not (one.type in _LENGTHS and one.path in inner)
        and not (one.is_missing and one.path in misspelt)
    ]


class _Complaint:
    """One of the schema library's errors, tied to the document."""

    def __init__(self, error: Mapping[str, Any], document: Document) -> None:
        self.document = document
        self.type: str = error["type"]
        self.input: Any = error["input"]
        self.context: Mapping[str, Any] = error.get("ctx", {})
        self.message: str = error["msg"]
        cause = self.context.get("error")
        self.refusal = cause if isinstance(cause, Refusal) else None
        self.sort = self.refusal.sort if self.refusal else ""
        self.is_missing = "missing" in (self.type, self.sort)
        self.is_kind_from_name = False
        self.path = self._blamed(_written(error["loc"], document.value, self.type == "missing"))
        self.place = document.place(self.path, at_key=self.sort == "unknown key")
        self.meant = self._meant_key()

    def _blamed(self, above: Path) -> Path:
        """The path of what is wrong, in or at the part ``above``."""
        if self.refusal is None:
            return above
        path = (*above, *self.refusal.path)
        if self.sort == "unknown kind" and path not in self.document.values:
            # A kind that nobody wrote was taken from the name above it, or stood there alone.
            self.is_kind_from_name = above in self.document.mappings
            return above
        return path if self.is_missing else _as_written(path, self.document.value)

    def _meant_key(self) -> str | None:
        if self.refusal is None or self.sort != "unknown key":
            return None
        return nearest(str(self.path[-1]), self.refusal.allowed.split(", "))

    def order(self, source: str) -> tuple[bool | int, ...]:
        """By place: the file's before other files', both before options; last what is missing."""
        place = self.place
        return not place.line, place.source != source, *place[1:], self.is_missing

    def words(self) -> tuple[str, str]:
        """What is wrong and what is allowed."""
        if self.refusal is None:
            return hints.words(self.type, self.input, self.context, self.path, self.message)
        what, allowed = self.refusal.what, self.refusal.allowed
        if self.meant:
            what += f", did you mean {self.meant}?"
        elif self.sort == "unknown key" and str(self.path[-1]).isdecimal():
            what += ", did you mean a decimal point?"
        elif self.is_missing:
            what += self._nearby(allowed.split(", "))
        elif self.is_kind_from_name:
            allowed = f"any name with kind: one of {allowed}; or one of these as its name"
        return what, allowed

    def _nearby(self, names: Sequence[str]) -> str:
        """What to say of a missing setting for which something else stands there."""
        *above, key = self.path
        if key in ("kind", "name") and isinstance(inside := _at(self.document.value, above), dict):
            for word in (*inside.values(), *above[-1:]):
                if word in names:
                    return f", did you mean {key}: {word}?"
        for length in range(2, len(self.path)):
            *parent, name = self.path[:length]
            others = _at(self.document.value, parent)
            if isinstance(others, dict) and self._is_option((*parent, name)):
                near = nearest(str(name), (one for one in others if one != name))
                return f" in the new {name}, did you mean {near}?" if near else ""
        return ""

    def _is_option(self, path: Path) -> bool:
        place = self.document.keys.get(path)
        return place is not None and not place.line


def _as_written(path: Path, value: Any) -> Path:
    """``path`` as far as it goes where a name alone was written for a list or a mapping."""
    for length, part in enumerate(path):
        if isinstance(value, str):
            return path[:length]
        value = value[part] if _has(value, part) else None
    return path


def _has(value: Any, part: str | int) -> bool:
    if isinstance(value, list):
        return isinstance(part, int) and part < len(value)
    return isinstance(value, dict) and part in value


def _at(value: Any, path: Sequence[str | int]) -> Any:
    for part in path:
        value = value[part]
    return value


def _written(location: Path, value: Any, missing: bool) -> Path:
    """``location`` without the library's own steps (names of union members, key marks)."""
    path: Path = ()
    for index, part in enumerate(location):
        if _has(value, part):
            value = value[part]
            path = (*path, part)
        elif missing and index == len(location) - 1:
            path = (*path, part)
    return path
