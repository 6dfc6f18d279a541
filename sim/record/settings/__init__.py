"""What all settings are made of: a strict base, quantities with units, distributions, nodes."""

from sim.record.settings.base import Count, Positive, Seed, Settings
from sim.record.settings.distributions import Constant, Duration, Exponential, Lognormal, Uniform
from sim.record.settings.kinds import OneOf
from sim.record.settings.nodes import NodeName, Selector, selects
from sim.record.settings.quantities import (
    LONGEST_S,
    SHORTEST_S,
    BytesPerSecond,
    PerSecond,
    PositiveSeconds,
    Seconds,
)

__all__ = [
    "LONGEST_S",
    "SHORTEST_S",
    "BytesPerSecond",
    "Constant",
    "Count",
    "Duration",
    "Exponential",
    "Lognormal",
    "NodeName",
    "OneOf",
    "PerSecond",
    "Positive",
    "PositiveSeconds",
    "Seconds",
    "Seed",
    "Selector",
    "Settings",
    "Uniform",
    "selects",
]
