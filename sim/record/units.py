"""Quantities as people write them ("20 Mbit/s", "150 ms"), as exact numbers of one base unit each.

The only parser there is: what a scenario takes and what a reader of results shows are the same
number.
"""

import re
from fractions import Fraction
from functools import lru_cache
from typing import Any

from sim.record.errors import Refusal

_TIMES = {
    **dict.fromkeys(("second", "sec", "s"), Fraction(1)),
    **dict.fromkeys(("millisecond", "ms"), Fraction(1, 1_000)),
    **dict.fromkeys(("microsecond", "us"), Fraction(1, 1_000_000)),
    **dict.fromkeys(("minute", "min"), Fraction(60)),
    **dict.fromkeys(("hour", "h"), Fraction(3_600)),
    **dict.fromkeys(("day", "d"), Fraction(86_400)),
    "week": Fraction(604_800),
}
_SIZES = {**dict.fromkeys(("byte", "B"), Fraction(1)), "bit": Fraction(1, 8)}
_POWERS = dict.fromkeys(("watt", "W"), Fraction(1))
_ENERGIES = {**dict.fromkeys(("joule", "J"), Fraction(1)), "Wh": Fraction(3_600)}
_OF_BASE = {"s": _TIMES, "B": _SIZES, "W": _POWERS, "J": _ENERGIES}
_PREFIXES = {
    **dict.fromkeys(("kilo", "k"), 1_000),
    **dict.fromkeys(("mega", "M"), 1_000**2),
    **dict.fromkeys(("giga", "G"), 1_000**3),
    **dict.fromkeys(("kibi", "Ki"), 1_024),
    **dict.fromkeys(("mebi", "Mi"), 1_024**2),
    **dict.fromkeys(("gibi", "Gi"), 1_024**3),
}
_NAMED = {name: (size, base) for base, names in _OF_BASE.items() for name, size in names.items()}
# A name of one letter has no plural: "Bs" might as well be meant for "B/s".
_PLURALS = {f"{name}s": meant for name, meant in _NAMED.items() if len(name) > 1}
_UNITS = {
    prefix + name: (factor * size, base)
    for prefix, factor in {"": 1, **_PREFIXES}.items()
    for name, (size, base) in {**_PLURALS, **_NAMED}.items()
}
# Of paper, exactly; nobody prints kilo-inches, so they take no prefix.
_UNITS |= {
    "in": (Fraction(1), "in"),
    "cm": (Fraction(100, 254), "in"),
    "mm": (Fraction(10, 254), "in"),
    "pt": (Fraction(1, 72), "in"),
}
# What people write beside what is defined above.
_ABBREVIATED = {"m": "min", "hr": "h", "hrs": "h", "/m": "/ min", "/hr": "/ h", "/ hr": "/ h"}
_USUAL = (
    *("s", "ms", "min", "h", "d", "/ s", "/ min", "/ h", "/ d"),
    *("B", "kB", "MB", "GB", "kbit/s", "Mbit/s", "Gbit/s", "kB/s", "MB/s", "GB/s"),
    *("W", "kW", "Wh", "kWh", "/ MB", "/ GB", "/ Wh", "/ kWh"),
)
_RATIOS = ("B/s", "1/s", "1/B", "1/J")
_QUANTITY = re.compile(r"([-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d{1,3})?)\s*(.*)", re.ASCII)
_UNIT = re.compile(r"(?:1\s*)?/\s*([A-Za-z]+)|([A-Za-z]+)(?:\s*/\s*([A-Za-z]+))?")
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
        raise Refusal(f"{unit!r} is not a unit that fits here{near}", f"e.g. '{example}'")
    exact = Fraction(number) * factor
    if exact < 0:
        raise Refusal(f"{text.strip()!r} is negative", f"e.g. '{example}'")
    try:
        return float(exact)
    except OverflowError:
        raise Refusal(f"{text.strip()!r} is too large", f"e.g. '{example}'") from None


def _parts(text: Any, base: str, example: str) -> tuple[str, str]:
    """The number and the unit, whatever it is. Raises Refusal if there are not both."""
    allowed = f"a number with a unit, e.g. '{example}'"
    if isinstance(text, bool) or not isinstance(text, (str, int, float)):
        raise Refusal("not a quantity", allowed)
    stripped = str(text).strip()
    match = _QUANTITY.fullmatch(stripped) if len(stripped) <= _LONGEST else None
    if match is None:
        shown = stripped if len(stripped) <= _LONGEST else stripped[:_LONGEST] + "..."
        raise Refusal(f"{shown!r} is not a quantity", allowed)
    number, unit = match.groups()
    if not unit:
        spaced = example.lstrip("0123456789.")
        units = (" ms", " s", " min", " h") if base == "s" else (spaced,)
        fitting = ", ".join(f"'{number}{unit}'" for unit in units)
        raise Refusal(f"{text!r} needs a unit", f"e.g. {fitting}")
    return number, unit


def _meant(unit: str, base: str) -> str | None:
    """The unit of `base` that is likely meant by another one, or by one that is none."""
    plain = re.sub(r"\s*(\bper\b|/)\s*", "/", unit)
    plain = re.sub(r"(?<=[A-Za-z])ps$", "/s", plain)  # Mbps
    plain = re.sub(r"^([kKmMgG]?)b(?=/|$)", r"\1bit", plain)
    per = f"{plain}/s" if base == "B/s" else f"/ {plain}" if base.startswith("1/") else plain
    candidates = [plain, per, *(_ABBREVIATED.get(one.casefold(), one) for one in (plain, per))]
    spelt = {_folded(one): one for one in _USUAL}
    candidates += [spelt[_folded(one)] for one in candidates if _folded(one) in spelt]
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
    prefix = f"(?:{'|'.join(_PREFIXES)})?"
    one = {
        own: f"{prefix}(?:(?:{'|'.join(long)})s?|{'|'.join(short)})"
        for own, names in _OF_BASE.items()
        for long in ([name for name in names if len(name) > 1],)
        for short in ([name for name in names if len(name) == 1],)
    }
    counted, slash, divisor = base.partition("/")
    if not slash:
        return one[base]
    return rf"{one.get(counted, '(?:1 *)?')}\s*/\s*{one[divisor]}"


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
