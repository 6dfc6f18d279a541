"""Distributions of durations, as settings that know how to draw.

Each draws by transforming one standard draw per value: a changed parameter stretches the same draws
instead of drawing new ones.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from sim.record.errors import Refusal
from sim.record.settings.base import Settings
from sim.record.settings.kinds import OneOf
from sim.record.settings.quantities import PositiveSeconds, Seconds
from sim.record.units import pattern

Floats = NDArray[np.float64]


class Distribution(Settings):
    """A law of durations."""

    @abstractmethod
    def draw(self, generator: np.random.Generator, n: int) -> Floats:
        """``n`` durations in seconds, shape (n,)."""

    @property
    def shortest_s(self) -> float:
        """No duration is shorter, in seconds."""
        return 0.0

    @property
    def longest_s(self) -> float:
        """No duration is longer, in seconds."""
        return math.inf


class Constant(Distribution):
    """Always the same duration."""

    distribution: Literal["constant"] = Field(description="the distribution's name")
    value: Seconds = Field(description="the duration")

    def draw(self, generator: np.random.Generator, n: int) -> Floats:
        """See Distribution; draws nothing."""
        return np.full(n, self.value)

    @property
    def shortest_s(self) -> float:
        return self.value

    @property
    def longest_s(self) -> float:
        return self.value


class Uniform(Distribution):
    """Equally likely anywhere between two durations."""

    distribution: Literal["uniform"] = Field(description="the distribution's name")
    low: Seconds = Field(description="the shortest duration")
    high: Seconds = Field(description="the longest duration")

    @model_validator(mode="after")
    def _ordered(self) -> Uniform:
        if self.high < self.low:
            raise Refusal("is shorter than low", f"at least {self.low!r} s", ("high",))
        return self

    def draw(self, generator: np.random.Generator, n: int) -> Floats:
        return self.low + (self.high - self.low) * generator.random(n)

    @property
    def shortest_s(self) -> float:
        return self.low

    @property
    def longest_s(self) -> float:
        return self.high


class Exponential(Distribution):
    """Memoryless: many short durations, few long ones."""

    distribution: Literal["exponential"] = Field(description="the distribution's name")
    mean: PositiveSeconds = Field(description="the mean duration")

    def draw(self, generator: np.random.Generator, n: int) -> Floats:
        return self.mean * generator.standard_exponential(n)


class Lognormal(Distribution):
    """A median times a factor that is often near one and rarely large."""

    distribution: Literal["lognormal"] = Field(description="the distribution's name")
    median: PositiveSeconds = Field(description="half of the durations are shorter")
    sigma: Annotated[float, Field(ge=0, le=10)] = Field(
        description="standard deviation of the duration's natural logarithm"
    )

    def draw(self, generator: np.random.Generator, n: int) -> Floats:
        factor: Floats = np.exp(self.sigma * generator.standard_normal(n))
        return self.median * factor


DISTRIBUTIONS: dict[str, type[Distribution]] = {
    "constant": Constant,
    "uniform": Uniform,
    "exponential": Exponential,
    "lognormal": Lognormal,
}


def _spelled_out(data: Any) -> Any:
    """A plain quantity stands for a constant."""
    if isinstance(data, (dict, Settings)) or (isinstance(data, str) and data in DISTRIBUTIONS):
        return data
    return {"distribution": "constant", "value": data}


class _OrQuantity:
    """Tells editors that a plain quantity will do as well."""

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        quantity = {"type": "string", "pattern": pattern("s"), "examples": ["2 s"]}
        return {"anyOf": [quantity, handler(core)]}


Duration = Annotated[
    Distribution,
    OneOf(DISTRIBUTIONS, "distribution"),
    BeforeValidator(_spelled_out),
    _OrQuantity(),
]
"""A distribution of durations in seconds; in YAML a mapping, or a quantity for a constant."""
