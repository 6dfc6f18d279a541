"""Quantities as people write them ("20 Mbit/s", "150 ms"), turned into floats of one unit each.

A room of its own because every other room trusts that a duration is in seconds and a bandwidth in
bytes per second; a number without a unit is refused here, once.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, WithJsonSchema

from sim.record.errors import Refusal

if TYPE_CHECKING:
    import pint

# pint's own list of units takes 170 ms to build and knows units that nobody needs here.
_DEFINITIONS = [
    "second = [time] = s = sec",
    "millisecond = 1/1000 * second = ms",
    "microsecond = 1/1000000 * second = us",
    "minute = 60 * second = min",
    "hour = 3600 * second = h",
    "day = 86400 * second = d",
    "week = 604800 * second",
    "byte = [information] = B",
    "bit = 1/8 * byte",
    "kilo- = 1000 = k-",
    "mega- = 1000000 = M-",
    "giga- = 1000000000 = G-",
    "kibi- = 1024 = Ki-",
    "mebi- = 1048576 = Mi-",
    "gibi- = 1073741824 = Gi-",
]
_QUANTITY = re.compile(r"([-+]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][-+]?\d{1,3})?)\s*(.*)", re.ASCII)
_UNIT = re.compile(r"(?:1\s*)?/\s*[A-Za-z]+|[A-Za-z]+(?:\s*/\s*[A-Za-z]+)?")
_LONGEST = 64


@lru_cache(maxsize=1)
def _registry() -> pint.UnitRegistry[Any]:
    import pint  # takes 0.15 s, which `--help` and `list` need not wait for

    return pint.UnitRegistry(_DEFINITIONS, non_int_type=Fraction)


@lru_cache(maxsize=256)
def _factor(unit: str, base: str) -> Fraction | None:
    """How many ``base`` one ``unit`` is, exactly; None if it is none at all."""
    if not _UNIT.fullmatch(unit):
        return None
    import pint

    if unit.startswith("/"):
        unit = "1" + unit
    registry = _registry()
    try:
        return Fraction(registry.convert(Fraction(1), unit, base))
    except (pint.PintError, ValueError, TypeError, AttributeError):
        return None


def parse(text: Any, base: str, example: str) -> float:
    """The float number of ``base`` units in ``text``, rounded once from the exact value.

    Raises Refusal for anything but text with a number and a unit of the same dimension, for
    negative quantities and for those too large for a float. ``example`` is named in the message.
    """
    if isinstance(text, bool) or not isinstance(text, (str, int, float)):
        raise Refusal("not a quantity", f"a number with a unit, e.g. '{example}'")
    if not isinstance(text, str):
        raise Refusal(f"{text!r} needs a unit", f"e.g. '{example}'")
    stripped = text.strip()
    match = _QUANTITY.fullmatch(stripped) if len(stripped) <= _LONGEST else None
    if match is None:
        shown = stripped if len(stripped) <= _LONGEST else stripped[:_LONGEST] + "..."
        raise Refusal(f"{shown!r} is not a quantity", f"a number with a unit, e.g. '{example}'")
    number, unit = match.groups()
    if not unit:
        raise Refusal(f"{stripped!r} needs a unit", f"e.g. '{example}'")
    factor = _factor(unit, base)
    if factor is None:
        raise Refusal(f"{unit!r} is not a unit that fits here", f"e.g. '{example}'")
    return _finite(Fraction(number) * factor, stripped, example)


def _finite(exact: Fraction, text: str, example: str) -> float:
    if exact < 0:
        raise Refusal(f"{text!r} is negative", f"e.g. '{example}'")
    try:
        return float(exact)
    except OverflowError:
        raise Refusal(f"{text!r} is too large", f"e.g. '{example}'") from None


def _above_zero(value: float) -> float:
    if value <= 0:
        raise Refusal("is zero", "more than zero")
    return value


def _parser(base: str, example: str) -> Callable[[Any], float]:
    return lambda text: parse(text, base, example)


def _writer(unit: str) -> Callable[[float], str]:
    return lambda value: f"{value!r} {unit}" if math.isfinite(value) else repr(value)


def _schema(example: str) -> WithJsonSchema:
    return WithJsonSchema(
        {"type": "string", "examples": [example], "description": "a number with a unit"}
    )


Seconds = Annotated[
    float,
    BeforeValidator(_parser("second", "20 s")),
    PlainSerializer(_writer("s"), return_type=str, when_used="json"),
    _schema("20 s"),
]
"""A duration or an instant of virtual time, zero or more; a float in seconds."""

BytesPerSecond = Annotated[
    float,
    BeforeValidator(_parser("byte / second", "20 Mbit/s")),
    AfterValidator(_above_zero),
    PlainSerializer(_writer("B/s"), return_type=str, when_used="json"),
    _schema("20 Mbit/s"),
]
"""A bandwidth above zero; a float in bytes per second."""

PerSecond = Annotated[
    float,
    BeforeValidator(_parser("1 / second", "0.5 / h")),
    PlainSerializer(_writer("/ s"), return_type=str, when_used="json"),
    _schema("0.5 / h"),
]
"""A rate, zero or more; a float in events per second."""

Bytes = Annotated[
    float,
    BeforeValidator(_parser("byte", "20 kB")),
    PlainSerializer(_writer("B"), return_type=str, when_used="json"),
    _schema("20 kB"),
]
"""A size, zero or more; a float in bytes."""

PositiveSeconds = Annotated[Seconds, AfterValidator(_above_zero)]
"""A duration above zero; a float in seconds."""
