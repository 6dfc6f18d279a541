"""Settings that are quantities: durations, sizes, bandwidths and rates, as floats of one unit."""

import math
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, WithJsonSchema

from sim.record.errors import Refusal
from sim.record.units import parse


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
    BeforeValidator(_parser("s", "20 s")),
    PlainSerializer(_writer("s"), return_type=str, when_used="json"),
    _schema("20 s"),
]
"""A duration or an instant of virtual time, zero or more; a float in seconds."""

BytesPerSecond = Annotated[
    float,
    BeforeValidator(_parser("B/s", "20 Mbit/s")),
    AfterValidator(_above_zero),
    PlainSerializer(_writer("B/s"), return_type=str, when_used="json"),
    _schema("20 Mbit/s"),
]
"""A bandwidth above zero; a float in bytes per second."""

PerSecond = Annotated[
    float,
    BeforeValidator(_parser("1/s", "0.5 / h")),
    PlainSerializer(_writer("/ s"), return_type=str, when_used="json"),
    _schema("0.5 / h"),
]
"""A rate, zero or more; a float in events per second."""

Bytes = Annotated[
    float,
    BeforeValidator(_parser("B", "20 kB")),
    PlainSerializer(_writer("B"), return_type=str, when_used="json"),
    _schema("20 kB"),
]
"""A size, zero or more; a float in bytes."""

PositiveSeconds = Annotated[Seconds, AfterValidator(_above_zero)]
"""A duration above zero; a float in seconds."""
