"""Settings that are quantities: times, sizes, rates, powers and prices, as floats of one unit."""

import math
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema

from sim.record.errors import Refusal, shown
from sim.record.units import parse, pattern

LONGEST_S = 1e12
"""Thirty thousand years: no time in a world overflows, whatever stretches such a duration."""
SHORTEST_S = 1e-9
"""A shorter time, added to an hour, is none: the clock would stand still."""
BRIEF_S = 1.0
"""Who waits for so long again and again may do so for years; shorter waits are looked at."""
DAY_S = 86_400.0
_OFFSETS_S = (-12 * 3600.0, 14 * 3600.0)
_LOWEST_RATE = 1e-12
_BANDWIDTHS = (1e-3, 1e18)
_SIZES = (1.0, 1e18)
_PRICES = (1e-24, 1e9)


def brief_waits(wait_s: float, duration_s: float) -> float:
    """For how many waits there is time, if they are brief: a run may consist of nothing else."""
    return duration_s / wait_s if wait_s < BRIEF_S else 0.0


def _above_zero(value: float) -> float:
    if value <= 0:
        raise Refusal("is zero", "more than zero")
    return value


def _within(least: float, most: float, unit: str) -> AfterValidator:
    """Zero, or from `least` to `most`."""

    def check(value: float) -> float:
        if value and not least <= value <= most:
            bound, what = (least, "is too small") if value < least else (most, "is too large")
            allowed = f"at {'least' if value < least else 'most'} {bound:g} {unit}"
            raise Refusal(what, allowed)
        return value

    return AfterValidator(check)


def _within_a_day(value: float) -> float:
    if value > DAY_S:
        raise Refusal("is too large", "at most 24 h")
    return value


def _parser(base: str, example: str) -> Callable[[Any], float]:
    return lambda text: parse(text, base, example)


def _writer(unit: str) -> Callable[[float], str]:
    return lambda value: f"{value!r} {unit}" if math.isfinite(value) else repr(value)


def _schema(base: str, example: str, *, zero: bool = True) -> WithJsonSchema:
    return WithJsonSchema(
        {"type": "string", "pattern": pattern(base, zero=zero), "examples": [example]}
    )


Seconds = Annotated[
    float,
    BeforeValidator(_parser("s", "20 s")),
    _within(0.0, LONGEST_S, "s"),
    PlainSerializer(_writer("s"), return_type=str, when_used="json"),
    _schema("s", "20 s"),
]
"""A duration or an instant of virtual time, zero or more; a float in seconds."""

TimeOfDay = Annotated[
    float,
    BeforeValidator(_parser("s", "8 h")),
    AfterValidator(_within_a_day),
    PlainSerializer(_writer("s"), return_type=str, when_used="json"),
    _schema("s", "8 h"),
]
"""A time of day as what has passed of it; a float in seconds."""


def _offset(written: Any) -> float:
    """What `parse` takes, or its negative."""
    text = written.strip() if isinstance(written, str) else written
    if isinstance(text, str) and text.startswith("-"):
        return -parse(text[1:], "s", "-3 h")
    return parse(text, "s", "-3 h")


def _on_earth(seconds: float) -> float:
    if not _OFFSETS_S[0] <= seconds <= _OFFSETS_S[1]:
        raise Refusal("no place on Earth has it", "from -12 h to 14 h")
    return seconds


UtcOffset = Annotated[
    float,
    BeforeValidator(_offset),
    AfterValidator(_on_earth),
    PlainSerializer(_writer("s"), return_type=str, when_used="json"),
    WithJsonSchema(
        {
            "type": "string",
            "pattern": pattern("s").replace(r"^\s*", r"^\s*-?", 1),
            "examples": ["-3 h"],
        }
    ),
]
"""How much later than UTC it is somewhere, or earlier; a float in seconds."""

BytesPerSecond = Annotated[
    float,
    BeforeValidator(_parser("B/s", "20 Mbit/s")),
    AfterValidator(_above_zero),
    _within(*_BANDWIDTHS, "B/s"),
    PlainSerializer(_writer("B/s"), return_type=str, when_used="json"),
    _schema("B/s", "20 Mbit/s", zero=False),
]
"""A bandwidth above zero; a float in bytes per second."""

PerSecond = Annotated[
    float,
    BeforeValidator(_parser("1/s", "0.5 / h")),
    _within(_LOWEST_RATE, math.inf, "/ s"),
    PlainSerializer(_writer("/ s"), return_type=str, when_used="json"),
    _schema("1/s", "0.5 / h"),
]
"""A rate, zero or more; a float in events per second."""

Bytes = Annotated[
    float,
    BeforeValidator(_parser("B", "14 MB")),
    AfterValidator(_above_zero),
    _within(*_SIZES, "B"),
    PlainSerializer(_writer("B"), return_type=str, when_used="json"),
    _schema("B", "14 MB", zero=False),
]
"""A size above zero; a float in bytes."""

PositiveSeconds = Annotated[
    Seconds,
    AfterValidator(_above_zero),
    _within(SHORTEST_S, LONGEST_S, "s"),
    _schema("s", "20 s", zero=False),
]
"""A duration above zero; a float in seconds."""

Watts = Annotated[
    float,
    BeforeValidator(_parser("W", "15 W")),
    _within(1e-6, 1e9, "W"),
    PlainSerializer(_writer("W"), return_type=str, when_used="json"),
    _schema("W", "15 W"),
]
"""A power, zero or more; a float in watts."""

PerByte = Annotated[
    float,
    BeforeValidator(_parser("1/B", "0.09 / GB")),
    _within(*_PRICES, "/ B"),
    PlainSerializer(_writer("/ B"), return_type=str, when_used="json"),
    _schema("1/B", "0.09 / GB"),
]
"""A price of what is sent, zero or more, in the user's currency; a float per byte."""

PerJoule = Annotated[
    float,
    BeforeValidator(_parser("1/J", "0.30 / kWh")),
    _within(*_PRICES, "/ J"),
    PlainSerializer(_writer("/ J"), return_type=str, when_used="json"),
    _schema("1/J", "0.30 / kWh"),
]
"""A price of energy, zero or more, in the user's currency; a float per joule."""

Share = Annotated[float, Field(gt=0, le=1)]
"""A part of a whole, not nothing."""


def _all_or_count(data: Any) -> Any:
    if data == "all" or (isinstance(data, int) and not isinstance(data, bool) and data >= 1):
        return data
    raise Refusal(f"{shown(data)} is no number of nodes", "all, or a whole number of at least 1")


AllOrCount = Annotated[
    Literal["all"] | int,
    BeforeValidator(_all_or_count),
    WithJsonSchema({"anyOf": [{"const": "all"}, {"type": "integer", "minimum": 1}]}),
]
"""Of a number of things so many at most, or all."""
