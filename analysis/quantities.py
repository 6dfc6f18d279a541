"""Quantities as scenarios write them ("3 min", "0.5 / h", "20 Mbit/s"), as numbers in base units.

A room of its own because a sweep's file keeps its values as they were written, while an axis needs
numbers: seconds, bytes, and either of them per second.
"""

from __future__ import annotations

import re
from fractions import Fraction

_TIMES = {
    **dict.fromkeys(("second", "sec", "s"), Fraction(1)),
    **dict.fromkeys(("minute", "min"), Fraction(60)),
    **dict.fromkeys(("hour", "h"), Fraction(3600)),
    **dict.fromkeys(("day", "d"), Fraction(86_400)),
    "week": Fraction(604_800),
    **dict.fromkeys(("millisecond", "ms"), Fraction(1, 1_000)),
    **dict.fromkeys(("microsecond", "us"), Fraction(1, 1_000_000)),
}
_SIZES = {**dict.fromkeys(("byte", "B"), Fraction(1)), "bit": Fraction(1, 8)}
_PREFIXES = {
    **dict.fromkeys(("kilo", "k"), Fraction(1_000)),
    **dict.fromkeys(("mega", "M"), Fraction(1_000**2)),
    **dict.fromkeys(("giga", "G"), Fraction(1_000**3)),
    **dict.fromkeys(("kibi", "Ki"), Fraction(1_024)),
    **dict.fromkeys(("mebi", "Mi"), Fraction(1_024**2)),
    **dict.fromkeys(("gibi", "Gi"), Fraction(1_024**3)),
}
_UNITS = (
    _TIMES
    | _SIZES
    | {
        prefix + unit: factor * size
        for prefix, factor in _PREFIXES.items()
        for unit, size in _SIZES.items()
    }
)
_QUANTITY = re.compile(
    r"([-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d{1,3})?)"  # the number
    r"\s*(?:([A-Za-z]+)|1)?"  # what is counted, nothing where it is events
    r"\s*(?:/\s*([A-Za-z]+))?",  # per which time
    re.ASCII,
)


def quantity(text: str) -> float | None:
    """The number of seconds, bytes, bytes per second or events per second; None if it is none.

    The float is the one that the simulator gets: it is rounded once, from the exact value.
    """
    match = _QUANTITY.fullmatch(text.strip())
    if match is None:
        return None
    number, counted, per = match.groups()
    if counted is None and per is None:
        return None
    one = Fraction(1) if counted is None else _unit(_UNITS, counted)
    each = Fraction(1) if per is None else _unit(_TIMES, per)
    if one is None or each is None:
        return None
    try:
        return float(Fraction(number) * one / each)
    except OverflowError:
        return None  # No simulation has run with it.


def _unit(units: dict[str, Fraction], name: str) -> Fraction | None:
    """A unit's size by its name, which may be a plural."""
    return units.get(name, units.get(name.removesuffix("s")))
