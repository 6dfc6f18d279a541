"""Distributions of durations, as settings that know how to draw.

Each draws by transforming one standard draw per value: a changed parameter stretches the same draws
instead of drawing new ones.

What fails and is repaired again and again lives by two of them. Each of its durations is where the
law's cumulative hazard comes to a unit exponential, whatever the law: another law, shape or scale
moves no other draw, and the longer law gives the longer duration. In equilibrium an instant falls
into a duration of the length-biased law, anywhere in it (Cox, "Renewal Theory", 1962, chapter 5).
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


_TINY = 1e-300
Shape = Annotated[float, Field(ge=0.01, le=100)]
"""Of a law: below it durations span more than a hundred orders of magnitude."""


class Drawn(Settings):
    """Durations that are drawn."""

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


class Distribution(Drawn):
    """A law of durations."""

    def draw(self, generator: np.random.Generator, n: int) -> Floats:
        return self.at_hazard(generator.standard_exponential(n))

    @property
    @abstractmethod
    def mean_s(self) -> float:
        """The mean duration in seconds, which is finite."""

    @abstractmethod
    def at_hazard(self, hazard: Floats) -> Floats:
        """The durations, in seconds, that are exceeded with probability exp(-``hazard``)."""

    @abstractmethod
    def length_biased(self, hazard: Floats) -> Floats:
        """The same of the law in which a duration counts by its length."""

    def quantile(self, luck: Floats) -> Floats:
        """The durations, in seconds, below which one falls with probability ``luck``, below 1."""
        return self.at_hazard(-np.log1p(-luck))

    def residual(self, hazard: Floats, fraction: Floats) -> Floats:
        """What is left, in equilibrium, of a duration under way: unit exponentials, uniforms."""
        return fraction * self.length_biased(hazard)


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

    @property
    def mean_s(self) -> float:
        return self.value

    def at_hazard(self, hazard: Floats) -> Floats:
        return np.full_like(hazard, self.value)

    def length_biased(self, hazard: Floats) -> Floats:
        return self.at_hazard(hazard)


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
        return self.quantile(generator.random(n))

    def quantile(self, luck: Floats) -> Floats:
        return self.low + (self.high - self.low) * luck

    @property
    def shortest_s(self) -> float:
        return self.low

    @property
    def longest_s(self) -> float:
        return self.high

    @property
    def mean_s(self) -> float:
        return (self.low + self.high) / 2

    def at_hazard(self, hazard: Floats) -> Floats:
        return self.low - (self.high - self.low) * np.expm1(-hazard)

    def length_biased(self, hazard: Floats) -> Floats:
        squared: Floats = self.low**2 - (self.high**2 - self.low**2) * np.expm1(-hazard)
        return np.sqrt(squared)


class Exponential(Distribution):
    """Memoryless: many short durations, few long ones."""

    distribution: Literal["exponential"] = Field(description="the distribution's name")
    mean: PositiveSeconds = Field(description="the mean duration")

    @property
    def mean_s(self) -> float:
        return self.mean

    def at_hazard(self, hazard: Floats) -> Floats:
        return self.mean * hazard

    def length_biased(self, hazard: Floats) -> Floats:
        return self.mean * _gamma(2.0, hazard)


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

    @property
    def mean_s(self) -> float:
        return self.median * math.exp(self.sigma**2 / 2)

    def at_hazard(self, hazard: Floats) -> Floats:
        from scipy.special import ndtri_exp  # takes 0.2 s, which only who fails so waits for

        # Zero would be infinitely many standard deviations below.
        normal = -ndtri_exp(-np.maximum(hazard, _TINY))
        factor: Floats = np.exp(self.sigma * normal)
        return self.median * factor

    def length_biased(self, hazard: Floats) -> Floats:
        return math.exp(self.sigma**2) * self.at_hazard(hazard)


class Weibull(Distribution):
    """A hazard that falls with age if the shape is below 1, and rises above."""

    distribution: Literal["weibull"] = Field(description="the distribution's name")
    shape: Shape = Field(
        description="below 1 the hazard falls with age, above it rises; 1: exponential"
    )
    scale: PositiveSeconds = Field(description="63 % of the durations are shorter")

    @property
    def mean_s(self) -> float:
        return self.scale * math.gamma(1 + 1 / self.shape)

    def at_hazard(self, hazard: Floats) -> Floats:
        return self.scale * hazard ** (1 / self.shape)

    def length_biased(self, hazard: Floats) -> Floats:
        # Weighted by the length, the cumulative hazard at the end is Gamma(1 + 1 / shape).
        return self.at_hazard(_gamma(1 + 1 / self.shape, hazard))


class Gamma(Distribution):
    """The sum of several exponential durations, if the shape is their number."""

    distribution: Literal["gamma"] = Field(description="the distribution's name")
    shape: Shape = Field(description="the larger, the more regular; 1: exponential")
    mean: PositiveSeconds = Field(description="the mean duration")

    @property
    def mean_s(self) -> float:
        return self.mean

    def at_hazard(self, hazard: Floats) -> Floats:
        return self.mean / self.shape * _gamma(self.shape, hazard)

    def length_biased(self, hazard: Floats) -> Floats:
        return self.mean / self.shape * _gamma(self.shape + 1, hazard)


def _gamma(shape: float, hazard: Floats) -> Floats:
    """`Distribution.at_hazard` of the gamma law of scale 1."""
    from scipy.special import gammainccinv  # takes 0.2 s, which only who fails so waits for

    found: Floats = gammainccinv(shape, np.exp(-hazard))
    return found


DISTRIBUTIONS: dict[str, type[Distribution]] = {
    "constant": Constant,
    "uniform": Uniform,
    "exponential": Exponential,
    "lognormal": Lognormal,
    "weibull": Weibull,
    "gamma": Gamma,
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
