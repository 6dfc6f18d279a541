"""What people take for one thing and a computer for two, or the other way round.

Names that look the same, and the same contents under two names.
"""

import re
import unicodedata
from collections.abc import Callable, Hashable, Iterable, Sequence
from decimal import Decimal

from sim.record.errors import Refusal

_INVISIBLE = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
"""Letters, signs and marks that draw nothing."""
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?")
_VARIATIONS = (range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))
"""Selectors of variants of the character before."""


def told_apart(
    source: str, kind: str, names: Iterable[str], setting: Sequence[str | int]
) -> list[str]:
    """A line for each two of the names, `kind` in the plural, that differ in case or width alone,
    or are one number, as 1, 01 and 1.0 are.

    Raises Refusal at `setting` if two of them look the same: if they differ in the Unicode form
    (UAX #15: one or two characters for a letter with its accent), in invisible characters, or in
    blanks at an end or beside another. Equal names are one.
    """
    names = dict.fromkeys(names)
    for one, other in _pairs(names, _seen):
        what = f"{source}: the {kind} {visible(one)} and {visible(other)} look the same"
        raise Refusal(what, "names that can be told apart, or one name", setting)
    return [
        f"{source}: the {kind} {visible(one)} and {visible(other)} {how}, and count as two"
        for look, how in ((_folded, "differ in case or width alone"), (_number, "are one number"))
        for one, other in _pairs(names, look)
    ]


def repeated(contents: Iterable[Hashable]) -> list[tuple[int, int]]:
    """The places of what was there before: (first place, this place) of each repeated content."""
    first: dict[Hashable, int] = {}
    places = ((first.setdefault(one, place), place) for place, one in enumerate(contents))
    return [(before, place) for before, place in places if before != place]


def visible(name: str) -> str:
    """The name in quotes, with what can't be seen, or looks like something else, by its number."""
    if name != unicodedata.normalize("NFC", name):
        return ascii(name)
    return "".join(ascii(c)[1:-1] if _is_invisible(c) else c for c in repr(name))


def _pairs(names: Iterable[str], look: Callable[[str], Hashable]) -> list[tuple[str, str]]:
    """The names that look like one before, behind it."""
    listed = list(names)
    return [(listed[one], listed[other]) for one, other in repeated(map(look, listed))]


def _seen(name: str) -> str:
    """What is seen of a name."""
    composed = unicodedata.normalize("NFC", name)
    # Tabs and line ends are blanks here, not invisible.
    spaced = "".join(c for c in composed if c.isspace() or not _is_invisible(c))
    return unicodedata.normalize("NFC", " ".join(spaced.split()))


def _folded(name: str) -> str:
    """What is the same in capitals, small letters, and letters of another width."""
    return unicodedata.normalize("NFKC", _seen(name)).casefold()


def _number(name: str) -> Decimal | str:
    """The number that a name is written as, however long, or else the name."""
    return Decimal(name) if _NUMBER.fullmatch(name) else name


def _is_invisible(character: str) -> bool:
    """Whether nothing is drawn for it, other than a common blank."""
    return (
        unicodedata.category(character) in ("Cf", "Cc", "Cn", "Co")
        or character in _INVISIBLE
        or any(ord(character) in each for each in _VARIATIONS)
    )
