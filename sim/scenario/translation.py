"""The schema library's complaints in a researcher's words, with the place in the file."""

import difflib
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from sim.record.errors import Path, Refusal, ScenarioError, scenario_error, shown
from sim.scenario.yaml_loader import Document

_TYPES = {
    "int": ("is not a whole number", "a whole number, e.g. 3"),
    "float": ("is not a number", "a number, e.g. 0.5"),
    "string": ("is not text", "text"),
    "bool": ("is neither true nor false", "true or false"),
    "dict": ("is not a mapping", "a mapping of names to values, {} for none"),
    "model": ("is not a mapping", "a mapping of names to values, {} for none"),
    "tuple": ("is not a list", "a list, e.g. [1, 2]"),
}
_BOUNDS = {
    "greater_than": ("is too small", "more than", "gt"),
    "greater_than_equal": ("is too small", "at least", "ge"),
    "less_than": ("is too large", "less than", "lt"),
    "less_than_equal": ("is too large", "at most", "le"),
}


def translated(error: ValidationError, document: Document) -> ScenarioError:
    """The first mistake of ``error`` in the order of ``document``; what is missing comes last."""
    found = [_Complaint(one, document) for one in error.errors(include_url=False)]
    # A list with a wrong entry is also called too short; only the entry is the mistake.
    inner = {one.path[:length] for one in found for length in range(len(one.path))}
    found = [one for one in found if one.path not in inner] or found
    first = min(found, key=lambda one: (one.is_missing, one.place[1:]))
    return scenario_error(first.place, first.path, *first.words())


class _Complaint:
    """One of the schema library's errors, tied to the document."""

    def __init__(self, error: Mapping[str, Any], document: Document) -> None:
        self.type: str = error["type"]
        self.input: Any = error["input"]
        self.context: Mapping[str, Any] = error.get("ctx", {})
        self.message: str = error["msg"]
        cause = self.context.get("error")
        self.refusal = cause if isinstance(cause, Refusal) else None
        self.path = _written(error["loc"], document.value, self.type == "missing")
        sort = "missing" if self.type == "missing" else ""
        if self.refusal is not None:
            sort = self.refusal.sort
            # A kind that nobody wrote was taken from the name above it.
            path = (*self.path, *self.refusal.path)
            unwritten = sort == "unknown kind" and path not in document.values
            self.path = self.path if unwritten else path
        self.is_missing = sort == "missing"
        self.place = document.place(self.path, at_key=sort == "unknown key")

    def words(self) -> tuple[str, str]:
        """What is wrong and what is allowed."""
        if self.refusal is not None:
            return self._refused(self.refusal)
        if self.type in _BOUNDS:
            what, bound, key = _BOUNDS[self.type]
            return f"{shown(self.input)} {what}", f"{bound} {self.context[key]}"
        return self._other()

    def _refused(self, refusal: Refusal) -> tuple[str, str]:
        if refusal.sort != "unknown key":
            return refusal.what, refusal.allowed
        near = difflib.get_close_matches(str(self.path[-1]), refusal.allowed.split(", "), n=1)
        return refusal.what + (f", did you mean {near[0]}?" if near else ""), refusal.allowed

    def _other(self) -> tuple[str, str]:
        match self.type:
            case "missing":
                return "is missing", _missing(self.path)
            case "literal_error":
                allowed = self.context["expected"].replace("'", "")
                return f"{shown(self.input)} is not known here", allowed
            case "too_short":
                return "is too short", f"at least {_entries(self.context['min_length'])}"
            case "too_long":
                return "is too long", f"at most {_entries(self.context['max_length'])}"
            case "finite_number":
                return f"{shown(self.input)} is not finite", "a finite number"
            case "int_from_float":
                return f"{shown(self.input)} is not a whole number", "a whole number, e.g. 3"
            case "string_pattern_mismatch":
                return f"{shown(self.input)} is no name", "letters, digits, - and _"
        what, allowed = _TYPES.get(self.type.split("_")[0], ("is not allowed", self.message))
        return f"{shown(self.input)} {what}", allowed


def _entries(count: int) -> str:
    return "one entry" if count == 1 else f"{count} entries"


def _missing(path: Path) -> str:
    """What may stand at ``path``, where a setting or a list's entry is missing."""
    if isinstance(path[-1], int):
        return f"{_entries(path[-1] + 1)} or more"
    return f"a value for {path[-1]}"


def _written(location: Path, value: Any, missing: bool) -> Path:
    """``location`` without the library's own steps (names of union members, key marks)."""
    path: Path = ()
    for index, part in enumerate(location):
        inside = (isinstance(value, dict) and part in value) or (
            isinstance(value, list) and isinstance(part, int) and part < len(value)
        )
        if inside:
            value = value[part]
            path = (*path, part)
        elif missing and index == len(location) - 1:
            path = (*path, part)
    return path
