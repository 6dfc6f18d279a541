"""Topologies that the number of clients decides alone."""

import math
from typing import Literal

import numpy as np
from pydantic import Field

from sim.record.errors import Refusal
from sim.world.random_streams import Streams
from sim.world.topologies.topology import (
    KIND,
    Adjacency,
    Everybody,
    Ints,
    Topology,
    TopologySettings,
)


class Complete(TopologySettings):
    """Everybody may talk to everybody."""

    is_regular = True

    kind: Literal["complete"] = Field(default="complete", description=KIND)

    def build(self, clients: int, streams: Streams) -> Topology:
        return Everybody(clients)


class Ring(TopologySettings):
    """Each client has the one before it and the one after it; the last is followed by the first."""

    is_regular = True

    kind: Literal["ring"] = Field(description=KIND)

    def build(self, clients: int, streams: Streams) -> Topology:
        return Adjacency(clients, _torus(1, clients))


class Torus(TopologySettings):
    """A grid as square as the clients allow, joined at its edges: four neighbours each.

    Of 12 clients it has 3 rows and 4 columns, numbered row by row. In two rows the one above and
    the one below are the same.
    """

    is_regular = True

    kind: Literal["torus"] = Field(description=KIND)

    def check(self, clients: int) -> None:
        if _rows(clients) == 1:
            sizes = [size for size in (clients - 1, clients + 1) if _rows(size) > 1] or [4]
            allowed = f"clients in two rows or more, as {' or '.join(map(str, sizes))} of them"
            raise Refusal(f"{clients} clients make no torus", allowed)

    def build(self, clients: int, streams: Streams) -> Topology:
        rows = _rows(clients)
        return Adjacency(clients, _torus(rows, clients // rows))


def _rows(clients: int) -> int:
    """The largest divisor that is no larger than the square root."""
    return next((n for n in range(math.isqrt(clients), 0, -1) if clients % n == 0), 1)


def _torus(rows: int, columns: int) -> Ints:
    """Edges [2 rows columns, 2]: of each client to the one below it, and to the one beside it."""
    grid = np.arange(rows * columns).reshape(rows, columns)
    ways = [np.stack([grid, np.roll(grid, -1, axis)], axis=-1) for axis in (0, 1)]
    return np.concatenate(ways).reshape(-1, 2)
