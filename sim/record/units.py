"""Quantities as people write them ("20 Mbit/s", "150 ms"), as exact numbers of one base unit each.

The only parser there is: what a scenario takes and what a reader of results shows are the same
number.
"""

import re
import unicodedata
from fractions import Fraction
from functools import lru_cache
from typing import Any

from sim.record.errors import Refusal, shown

_MICRO = Fraction(1, 1_000_000)
_TIMES = {
    **dict.fromkeys(("second", "sec", "s"), Fraction(1)),
    **dict.fromkeys(("millisecond", "ms"), Fraction(1, 1_000)),
    # The sign for micro is two characters, one of them a Greek letter, that look the same.
    **dict.fromkeys(("microsecond", "us", "\N{MICRO SIGN}s", "\N{GREEK SMALL LETTER MU}s"), _MICRO),
    **dict.fromkeys(("nanosecond", "ns"), Fraction(1, 1_000_000_000)),
    **dict.fromkeys(("minute", "min"), Fraction(60)),
    **dict.fromkeys(("hour", "h"), Fraction(3_600)),
    **dict.fromkeys(("day", "d"), Fraction(86_400)),
    "week": Fraction(604_800),
}
_SIZES = {**dict.fromkeys(("byte", "B"), Fraction(1)), "bit": Fraction(1, 8)}
_POWERS = dict.fromkeys(("watt", "W"), Fraction(1))
_ENERGIES = {**dict.fromkeys(("joule", "J"), Fraction(1)), "Wh": Fraction(3_600)}
# Of paper, exactly.
_LENGTHS = {
    "in": Fraction(1),
    "cm": Fraction(100, 254),
    "mm": Fraction(10, 254),
    "pt": Fraction(1, 72),
}
_OF_BASE = {"s": _TIMES, "B": _SIZES, "W": _POWERS, "J": _ENERGIES, "in": _LENGTHS}
# Of times and lengths a prefix would be a slip of the pen: 50 Ms are 579 days.
_WITH_PREFIX = ("B", "W", "J")
_PREFIXES = {
    "": 1,
    **dict.fromkeys(("kilo", "k"), 1_000),
    **dict.fromkeys(("mega", "M"), 1_000**2),
    **dict.fromkeys(("giga", "G"), 1_000**3),
    **dict.fromkeys(("tera", "T"), 1_000**4),
    **dict.fromkeys(("kibi", "Ki"), 1_024),
    **dict.fromkeys(("mebi", "Mi"), 1_024**2),
    **dict.fromkeys(("gibi", "Gi"), 1_024**3),
    **dict.fromkeys(("tebi", "Ti"), 1_024**4),
}
_SHORTEST_WORD = 3
"""Shorter names have no plural: "Bs" might as well be meant for "B/s"."""


def _names(base: str) -> dict[str, Fraction]:
    """What may be written of a base, without prefixes, and how many of it each is."""
    named = _OF_BASE[base]
    plurals = {f"{name}s": size for name, size in named.items() if len(name) >= _SHORTEST_WORD}
    return named | plurals


_UNITS = {
    prefix + name: (factor * size, base)
    for base in _OF_BASE
    for prefix, factor in (_PREFIXES if base in _WITH_PREFIX else {"": 1}).items()
    for name, size in _names(base).items()
}
_USUAL = {
    "s": ("ns", "us", "ms", "s", "min", "h", "d", "week"),
    "B": ("B", "kB", "MB", "GB", "TB"),
    "B/s": ("kbit/s", "Mbit/s", "Gbit/s", "kB/s", "MB/s", "GB/s"),
    "1/s": ("/ s", "/ min", "/ h", "/ d"),
    "W": ("W", "kW"),
    "J": ("J", "Wh", "kWh"),
    "1/B": ("/ MB", "/ GB"),
    "1/J": ("/ Wh", "/ kWh"),
    "in": ("in", "cm", "mm", "pt"),
}
"""By base what is offered to who wrote none, or another one."""
# What people write beside what is defined above.
_ABBREVIATED = {
    **{"m": "min", "hr": "h", "hrs": "h", "/m": "/ min", "/hr": "/ h", "/ hr": "/ h"},
    **{f"{letter}sec{end}": f"{letter}s" for letter in "mun" for end in ("", "s")},
}
_WORD = re.compile(r"[A-Za-z]{3,}")
_RATIOS = ("B/s", "1/s", "1/B", "1/J")
_QUANTITY = re.compile(
    r"([-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?)\s*((?:1\s*/)?[^\d_.,']*)"
)
_UNIT = re.compile(r"(?:1\s*)?/\s*([^\W\d_]+)|([^\W\d_]+)(?:\s*/\s*([^\W\d_]+))?")
_ABOVE_ZERO = r"\+?(?=[0-9.]*[1-9])(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
_LONGEST = 64
_NONE = (Fraction(0), "")


def parse(text: Any, base: str, example: str) -> float:
    """The float number of `base` in `text`, rounded once from the exact value.

    Bases are s, B, W, J, what there is of them per other (B/s, 1/s, 1/B, 1/J), and in.

    Raises Refusal for anything but text with a number and a unit of the same dimension, for
    negative quantities and for those too large for a float. `example` is named as allowed.
    """
    number, unit = _parts(text, base, example)
    factor, found = _unit(unit)
    if found != base:
        meant = _meant(unit, base)
        near = f", did you mean '{number} {meant}'?" if meant else ""
        raise Refusal(f"{unit!r} is not a unit that fits here{near}", _allowed(base, example))
    exact = Fraction(number) * factor
    if exact < 0:
        raise Refusal(f"{text.strip()!r} is negative", f"e.g. '{example}'")
    try:
        return float(exact)
    except OverflowError:
        raise Refusal(f"{text.strip()!r} is too large", f"e.g. '{example}'") from None


def _allowed(base: str, example: str) -> str:
    """The units of a base, for who needs to be told of them."""
    return f"{', '.join(_USUAL[base])}, e.g. '{example}'"


def _parts(text: Any, base: str, example: str) -> tuple[str, str]:
    """The number and the unit, whatever it is. Raises Refusal if there are not both."""
    allowed = f"a number with a unit, e.g. '{example}'"
    if isinstance(text, bool) or not isinstance(text, (str, int, float)):
        raise Refusal("not a quantity", allowed)
    stripped = str(text).strip()
    match = _QUANTITY.fullmatch(stripped) if len(stripped) <= _LONGEST else None
    if match is None:
        meant = _in_digits(stripped)
        near = f", did you mean '{meant}'?" if meant else ""
        raise Refusal(f"{shown(stripped)} is not a quantity{near}", allowed)
    number, unit = match.groups()
    if not unit:
        raise Refusal(f"{text!r} needs a unit", _allowed(base, _like(number, example)))
    return number, unit


def _like(number: str, example: str) -> str:
    """A number with the unit of an example."""
    return number + example.lstrip("-0123456789.")


def _in_digits(text: str) -> str | None:
    """The same with a number as it is read: no commas, no other script's digits."""
    plain = "".join(str(unicodedata.decimal(one, one)) for one in text)
    plain = plain.replace("\N{MINUS SIGN}", "-")
    plain = re.sub(r"(?<=[0-9])[_' ](?=[0-9]{3}(?![0-9]))", "", plain)
    # 1,000 may be one, or a thousand.
    plain = re.sub(r"^([-+]?[0-9]+),(?![0-9]{3}(?![0-9]))(?=[0-9]+(?![0-9.,]))", r"\1.", plain)
    match = _QUANTITY.fullmatch(plain) if plain != text and len(plain) <= _LONGEST else None
    return plain if match and _unit(match[2])[1] else None


def _meant(unit: str, base: str) -> str | None:
    """The unit of `base` that is likely meant by another one, or by one that is none."""
    plain = re.sub(r"\s*(\bper\b|/)\s*", "/", unit)
    plain = re.sub(r"(?<=[A-Za-z])ps$", "/s", plain)  # Mbps
    plain = re.sub(r"^([kKmMgGtT]?)b(?=/|$)", r"\1bit", plain)
    per = f"{plain}/s" if base == "B/s" else f"/ {plain}" if base.startswith("1/") else plain
    candidates = [plain, per, *(_ABBREVIATED.get(one.casefold(), one) for one in (plain, per))]
    spelt = {_folded(one): one for one in _USUAL[base]}
    candidates += [spelt[_folded(one)] for one in candidates if _folded(one) in spelt]
    candidates += [_WORD.sub(lambda word: word[0].lower(), one) for one in (plain, per)]  # Sec
    return next((one for one in candidates if _unit(one)[1] == base), None)


def _folded(unit: str) -> str:
    return unit.casefold().replace(" ", "")


def pattern(base: str, *, zero: bool = True) -> str:
    """A regular expression, as JSON Schema has it, for what `parse` takes of `base`.

    How large a number may be it can't say. `zero`: whether none at all will do.
    """
    exponent = r"(?:[eE][-+]?[0-9]{1,3})?"
    some = r"\+?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)" if zero else _ABOVE_ZERO
    none = r"|-(?:0+(?:\.0*)?|\.0+)(?![0-9])" if zero else ""
    return rf"^\s*(?:{some}{none}){exponent}\s*{_unit_pattern(base)}\s*$"


def _unit_pattern(base: str) -> str:
    counted, slash, divisor = base.partition("/")
    if not slash:
        return _one_pattern(base)
    several = "(?:1 *)?" if counted == "1" else _one_pattern(counted)
    return rf"{several}\s*/\s*{_one_pattern(divisor)}"


def _one_pattern(base: str) -> str:
    prefix = f"(?:{'|'.join(filter(None, _PREFIXES))})?" if base in _WITH_PREFIX else ""
    return f"{prefix}(?:{'|'.join(_names(base))})"


def quantity(text: str) -> tuple[float, str] | None:
    """The number in `text` and its base unit, as `parse` has them; None if it is no quantity."""
    match = _QUANTITY.fullmatch(text.strip())
    base = match and _unit(match[2])[1]
    if not base:
        return None
    try:
        return parse(text, base, ""), base
    except Refusal:
        return None


@lru_cache(maxsize=256)
def _unit(text: str) -> tuple[Fraction, str]:
    """How many of its base unit one `text` is, exactly, and that base unit: empty if it is none."""
    match = _UNIT.fullmatch(text)
    if match is None:
        return Fraction(0), ""
    alone, counted, divisor = match.groups()
    size, base = (Fraction(1), "1") if alone else _UNITS.get(counted, _NONE)
    if (per := alone or divisor) is None:
        return size, base
    each, of = _UNITS.get(per, _NONE)
    known = f"{base}/{of}"
    return (size / each, known) if known in _RATIOS else (each, "")
