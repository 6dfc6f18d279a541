"""A user's mistake: what is wrong, what is allowed and which setting is to blame.

The three stay apart until the line is printed; then they are joined, with the place, once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

from sim.record.words import least_text

_LONGEST = 60

Path = tuple[str | int, ...]
"""The way from a scenario's root to one of its parts: keys and list indices."""


class Place(NamedTuple):
    """Where something was written: a file's line and column from 1, or an option (line 0)."""

    source: str
    line: int = 1
    column: int = 1

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}" if self.line else self.source


Sort = Literal["", "missing", "unknown key", "unknown kind"]


class Refusal(ValueError):
    """A mistake that is found where its place is not known: `(what, allowed, path)`.

    `path` leads from whatever was being read to the part that is to blame. Whoever knows where that
    was written makes a ScenarioError of it; `sort` tells it of what is not simply a wrong value.
    Survives pickling.
    """

    def __init__(
        self, what: str, allowed: str, path: Sequence[str | int] = (), sort: Sort = ""
    ) -> None:
        super().__init__(what, allowed, tuple(path))
        self.sort = sort

    @property
    def what(self) -> str:
        """What is wrong."""
        return str(self.args[0])

    @property
    def allowed(self) -> str:
        """What would be right."""
        return str(self.args[1])

    @property
    def path(self) -> Path:
        """The part that is to blame."""
        path: Path = self.args[2]
        return path

    def below(self, *path: str | int) -> Refusal:
        """The same mistake as seen from above the part at `path`."""
        return Refusal(self.what, self.allowed, (*path, *self.path), self.sort)

    def __str__(self) -> str:
        return f"{self.what}; allowed: {self.allowed}"


class ScenarioError(Exception):
    """A user's mistake; its text is one line ``file:line:column: path: what; allowed: ...``."""


class ResultError(ScenarioError):
    """Results that can't be read, or a question that they can't answer.

    Its text is one line: which folder, file or column, what is wrong with it, what is allowed.
    """


def check_least(seconds: float, least_s: float, what: str, *path: str) -> None:
    """Raise Refusal, saying `what` is wrong with the time at `path`, if it is shorter."""
    if seconds < least_s:
        raise Refusal(what, f"at least {least_text(least_s)}", path)


def dotted(path: Sequence[str | int]) -> str:
    """``("seeds", 0)`` as ``seeds.0``, the form that ``--set`` takes; ``(top)`` for the root."""
    return ".".join(str(part) for part in path) or "(top)"


def scenario_error(
    place: Place, path: Sequence[str | int], what: str, allowed: str
) -> ScenarioError:
    """The error of a mistake at ``place`` in the part ``path``."""
    line = f"{place}: {dotted(path)}: {what}; allowed: {allowed}"
    return ScenarioError("".join(c if c.isprintable() else " " for c in line))


def shown(value: Any) -> str:
    """A short form of a wrong value, as it may be written in YAML."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    if value is None or isinstance(value, bool):
        return {None: "nothing", True: "true", False: "false"}[value]
    text = repr(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
