"""The one exception for a user's mistake, and the form in which it is told.

A room of its own because the YAML loader, the schema and the data all raise it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

Path = tuple[str | int, ...]
"""The way from a scenario's root to one of its parts: keys and list indices."""


class Place(NamedTuple):
    """Where something was written: a file's line and column from 1, or an option (line 0)."""

    source: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source


class ScenarioError(Exception):
    """A user's mistake; its text is one line ``file:line:column: path: what; allowed: ...``."""


def dotted(path: Sequence[str | int]) -> str:
    """``("seeds", 0)`` as ``seeds.0``, the form that ``--set`` takes; ``(top)`` for the root."""
    return ".".join(str(part) for part in path) or "(top)"


def scenario_error(
    place: Place, path: Sequence[str | int], what: str, allowed: str
) -> ScenarioError:
    """The error of a mistake at ``place`` in the part ``path``."""
    line = f"{place}: {dotted(path)}: {what}; allowed: {allowed}"
    return ScenarioError("".join(c if c.isprintable() else " " for c in line))
