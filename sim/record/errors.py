"""A user's mistake: what is wrong, what is allowed and which setting is to blame.

The three stay apart until the line is printed; then they are joined, with the place, once.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal, NamedTuple

from sim.record.words import least_text

MOST_TOLD = 10
"""So many mistakes are told in a line each; of more it is said how many there are."""
LONGEST_LINE = 600
"""A mistake's line has no more letters: whatever a user has written may be shown in one."""
LONGEST_NAME = 80
"""Of one name in it no more are shown."""
_LONGEST_OPTION = 200
_LONGEST_PATH = 160
_LONGEST_WHAT = 300
_LONGEST_ALLOWED = 150
_LONGEST = 60
_NEAR = 0.65

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
    """A user's mistakes; `args` are lines ``file:line:column: path: what; allowed: ...``, one each.

    Its text has no more than `MOST_TOLD` of them, of `LONGEST_LINE` printable letters at most.
    """

    def __str__(self) -> str:
        lines = [shortened(printable(str(line)), LONGEST_LINE) for line in self.args]
        more = len(lines) - MOST_TOLD
        return "\n".join(lines[:MOST_TOLD] + [f"and {more} more"] * (more > 0))


class ResultError(ScenarioError):
    """Results that can't be read, or a question that they can't answer.

    Its text is one line: which folder, file or column, what is wrong with it, what is allowed.
    """


class Mistakes:
    """Mistakes that are told together."""

    def __init__(self) -> None:
        self._lines: dict[str, str] = {}
        """By what they say; where it was written is told of the first."""

    @contextmanager
    def collected(self) -> Iterator[None]:
        """Keep the mistakes of the block, which they end."""
        try:
            yield
        except ScenarioError as mistake:
            for line in mistake.args:
                self._lines.setdefault(line.partition(": ")[2], line)

    def tell(self) -> None:
        """Raise ScenarioError with all of them, each once, if there are any."""
        if self._lines:
            raise ScenarioError(*self._lines.values())


def check_least(seconds: float, least_s: float, what: str, *path: str) -> None:
    """Raise Refusal, saying `what` is wrong with the time at `path`, if it is shorter."""
    if seconds < least_s:
        raise Refusal(what, f"at least {least_text(least_s)}", path)


def dotted(path: Sequence[str | int]) -> str:
    """``("seeds", 0)`` as ``seeds.0``, the form that ``--set`` takes; ``(top)`` for the root."""
    return ".".join(str(part) or "''" for part in path) or "(top)"


def scenario_error(
    place: Place, path: Sequence[str | int], what: str, allowed: str
) -> ScenarioError:
    """The error of a mistake at ``place`` in the part ``path``; what is long in it is cut."""
    parts = [shortened(str(part), LONGEST_NAME) for part in path]
    at = str(place) if place.line else shortened(str(place), _LONGEST_OPTION)
    where = f"{at}: {shortened(dotted(parts), _LONGEST_PATH)}" if path or place.line else at
    told = f"{where}: {shortened(what, _LONGEST_WHAT)}; allowed: "
    room = max(_LONGEST_ALLOWED, LONGEST_LINE - len(told))
    return ScenarioError(printable(told + _fewer(allowed, room)))


def printable(text: str) -> str:
    """A text in one line, without what makes a terminal do something else than show it."""
    return "".join(c if c.isprintable() else " " for c in text)


def shortened(text: str, most: int) -> str:
    """A text of so many letters at most; of a longer one the beginning and the end."""
    if len(text) <= most:
        return text
    end = (most - 3) // 3
    return f"{text[: most - 3 - end]}...{text[-end:]}"


def _fewer(listed: str, most: int) -> str:
    """What is allowed, of so many letters at most; of a longer list as many as there is room for.

    `a, b, c, d` becomes `a, b and 2 more`.
    """
    if len(listed) <= most:
        return listed
    head, comma, _ = listed[: most - len(" and 1,000,000 more")].rpartition(", ")
    if not comma:
        return shortened(listed, most)
    return f"{head} and {listed.count(', ') - head.count(', '):,} more"


def nearest(word: str, names: Iterable[str]) -> str | None:
    """The name that is likely meant by a misspelt or shortened one; None if none is.

    Of those that end in its word, as packet_loss and transfer_loss do in loss, the first.
    """
    folded = {name.casefold(): name for name in names}
    for close in difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=_NEAR):
        return folded[close]
    longer = [name for short, name in folded.items() if _shortens(word.casefold(), short)]
    parts = [name for short, name in folded.items() if word.casefold() in short.split("_")[1:]]
    return longer[0] if len(longer) == 1 else next(iter(parts), None)


def _shortens(word: str, name: str) -> bool:
    """Whether the letters of `word`, two at least, stand in `name` in this order, as lr's do."""
    letters = iter(name)
    return len(word) > 1 and name.startswith(word[0]) and all(one in letters for one in word)


def did_you_mean(word: object, names: Iterable[str]) -> str:
    """What follows upon a wrong name: `, did you mean NAME?`, or nothing."""
    near = nearest(word, names) if isinstance(word, str) else None
    return f", did you mean {near}?" if near else ""


def shown(value: Any) -> str:
    """A short form of a wrong value, as it may be written in YAML."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    if value is None or isinstance(value, bool):
        return {None: "nothing", True: "true", False: "false"}[value]
    return shortened(repr(value), _LONGEST)


def installing(extra: str) -> str:
    """The command that adds an extra: no index has the package, so it comes from its sources."""
    return f'pip install ".[{extra}]", in the folder of its sources'
