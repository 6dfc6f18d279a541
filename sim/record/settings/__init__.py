"""What all settings are made of: a strict base, quantities with units, distributions, nodes."""

from sim.record.settings.base import Count, Positive, Seed, Settings, detail, details, refused, values
from sim.record.settings.distributions import (
    Constant,
    Distribution,
    Duration,
    Exponential,
    Lognormal,
    Uniform,
)
from sim.record.settings.kinds import OneOf, own_kinds, own_names
from sim.record.settings.nodes import (
    WORDS,
    GroupName,
    NodeList,
    NodeName,
    Nodes,
    Selector,
    ranged,
    resolved,
    selects,
    span,
    twice,
)
from sim.record.settings.quantities import (
    LONGEST_S,
    SHORTEST_S,
    BytesPerSecond,
    PerSecond,
    PositiveSeconds,
    Seconds,
)
from sim.record.settings.schema import Schema

__all__ = [
    "LONGEST_S",
    "SHORTEST_S",
    "WORDS",
    "BytesPerSecond",
    "Constant",
    "Count",
    "Distribution",
    "Duration",
    "Exponential",
    "GroupName",
    "Lognormal",
    "NodeList",
    "NodeName",
    "Nodes",
    "OneOf",
    "PerSecond",
    "Positive",
    "PositiveSeconds",
    "Schema",
    "Seconds",
    "Seed",
    "Selector",
    "Settings",
    "Uniform",
    "detail",
    "details",
    "own_kinds",
    "own_names",
    "ranged",
    "refused",
    "resolved",
    "selects",
    "span",
    "twice",
    "values",
]
