"""A table of regions: how far each is from the others, and what links and what time it has."""

from collections.abc import Mapping
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, StringConstraints

from sim.record.settings import BytesPerSecond, Seconds, Settings, UtcOffset

Floats = NDArray[np.float64]
RegionName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_-]{0,99}$")]


class Region(Settings):
    """One region of a table."""

    latency: dict[RegionName, Seconds] = Field(
        default_factory=dict,
        description="one-way delay to a node in each region, this one among them; "
        "said of one way only, it counts for both",
    )
    uplink: BytesPerSecond | None = Field(default=None, description="bandwidth out of a client")
    downlink: BytesPerSecond | None = Field(default=None, description="bandwidth into a client")
    utc_offset: UtcOffset = Field(default=0.0, description="how much later it is there than in UTC")


Table = Mapping[str, Region]
"""Regions by their names."""


class Shipped(NamedTuple):
    """A table that comes with the program, and where it comes from, in a sentence or two."""

    description: str
    regions: Table


def one_way_s(table: Table) -> Floats:
    """The latencies [regions, regions] in seconds, row to column; NaN where nothing is known."""
    seconds = [[between_s(table, one, other) for other in table] for one in table]
    return np.array(seconds, dtype=np.float64)


def between_s(table: Table, one: str, other: str) -> float:
    """The latency from one region to another in seconds; NaN where it is not known."""
    there, back = table[one].latency, table[other].latency
    return there.get(other, back.get(one, np.nan))
