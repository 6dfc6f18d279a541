"""Times, sizes and names as people read them: the same on a terminal, in a table and on a page."""

import unicodedata
from decimal import ROUND_CEILING, Context, Decimal

# Each unit with its size, and from where it is used. Minutes stay minutes up to two hours, because
# that is how long a simulated run lasts.
_TIMES = (("h", 3600.0, 7200.0), ("min", 60.0, 60.0), ("s", 1.0, 0.0))
_SIZES = (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3))

# Of amounts per unit, and of power, by base unit how many of what one is.
_RATES = {
    "1/s": (3600.0, " / h"),
    "B/s": (8e-6, " Mbit/s"),
    "W": (1.0, " W"),
    "1/B": (1e9, " / GB"),
    "1/J": (3.6e6, " / kWh"),
}

_DIGITS = 6
_TURNS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that let others be read from right to left, or left to right."""


def plain_text(text: str) -> str:
    """The text as signs alone: what commands a terminal, turns text round or is no character is
    written by its number. Line ends stay.
    """
    if text.isprintable():
        return text
    return "".join(ascii(c)[1:-1] if _is_command(c) else c for c in text)


def plain_line(text: str) -> str:
    """`plain_text` in one line: a line end within is written out, too."""
    return plain_text(text).replace("\n", r"\n")


def _is_command(character: str) -> bool:
    kind = unicodedata.category(character)
    return character != "\n" and (kind in ("Cc", "Cs", "Zl", "Zp") or character in _TURNS)


def time_text(seconds: float) -> str:
    """A time of zero or more, for example `12.5 min`, `1.7 min`, `30 s`."""
    unit, size = next((unit, size) for unit, size, least in _TIMES if seconds >= least)
    return f"{_rounded(seconds / size)} {unit}"


def least_text(seconds: float) -> str:
    """The shortest time that is allowed, never rounded down, for example `5.05 s`, `37.5 ms`."""
    exact = Decimal(repr(seconds))
    amount, unit = (exact, "s") if exact >= 1 else (1000 * exact, "ms")
    rounded = Context(prec=_DIGITS, rounding=ROUND_CEILING).create_decimal(amount)
    return f"{rounded.normalize():f} {unit}"


def bytes_text(size_bytes: float) -> str:
    """A size in decimal units, for example `1.2 MB`, `130 MB`, `12 B`."""
    for unit, size in _SIZES:
        if size_bytes >= size:
            return f"{_rounded(size_bytes / size)} {unit}"
    return f"{size_bytes:.0f} B"


def amount_text(amount: float, unit: str) -> str:
    """A number of a setting in a base unit (see `units.parse`), or in none for a plain number."""
    if unit == "s" and amount >= 0:
        return time_text(amount)
    if unit == "B":
        return bytes_text(amount)
    factor, shown = _RATES.get(unit, (1.0, ""))
    return f"{amount * factor:.3g}{shown}"


def _rounded(amount: float) -> str:
    return f"{amount:.1f}".removesuffix(".0")
