"""Whom each client may talk to, and what the settings of a kind of it must answer."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import numpy.typing as npt

from sim.record.settings import Settings
from sim.world.random_streams import Streams

Ints = npt.NDArray[np.int64]

KIND = "the topology's kind"


class Topology(ABC):
    """An undirected, connected graph of the clients, who are known by their index."""

    @abstractmethod
    def neighbours(self, index: int) -> Ints:
        """Whom the client may talk to [degree], ascending and without itself."""

    is_complete = False
    """Whether all are everybody's neighbours."""

    @property
    @abstractmethod
    def degrees(self) -> Ints:
        """How many neighbours each client has [clients]."""

    @abstractmethod
    def sums(self, values: Ints) -> Ints:
        """Of what each client has [clients], the sum over its neighbours [clients]."""


class Everybody(Topology):
    """Each client may talk to each other; nothing is stored."""

    is_complete = True

    def __init__(self, clients: int) -> None:
        self._clients = clients

    def neighbours(self, index: int) -> Ints:
        return np.delete(np.arange(self._clients), index)

    @property
    def degrees(self) -> Ints:
        return np.full(self._clients, self._clients - 1)

    def sums(self, values: Ints) -> Ints:
        sums: Ints = values.sum() - values
        return sums


class Adjacency(Topology):
    """Neighbours as they are listed: the rows of a sparse matrix, one after the other.

    `edges` [m, 2]: pairs of clients, in any order; what stands there twice, or joins a client to
    itself, counts once or not at all.
    """

    def __init__(self, clients: int, edges: Sequence[tuple[int, int]] | Ints) -> None:
        pairs = np.asarray(edges, dtype=np.int64).reshape(-1, 2)
        pairs = pairs[pairs[:, 0] != pairs[:, 1]]
        ways = np.unique(np.concatenate([pairs, pairs[:, ::-1]]), axis=0)
        self._degrees = np.bincount(ways[:, 0], minlength=clients)
        self._ends = np.cumsum(self._degrees)
        self._targets = ways[:, 1]
        # What is handed out are parts of these.
        self._targets.setflags(write=False)
        self.is_complete = len(ways) == clients * (clients - 1)
        self._degrees.setflags(write=False)

    def neighbours(self, index: int) -> Ints:
        end = self._ends[index]
        return self._targets[end - self._degrees[index] : end]

    @property
    def degrees(self) -> Ints:
        return self._degrees

    def sums(self, values: Ints) -> Ints:
        so_far = np.concatenate([[0], np.cumsum(values[self._targets])])
        sums: Ints = so_far[self._ends] - so_far[self._ends - self._degrees]
        return sums


class TopologySettings(Settings):
    """The settings of one kind of topology."""

    is_regular: ClassVar[bool] = False
    """Whether all clients have equally many neighbours."""

    kind: str

    def check(self, clients: int) -> None:
        """Raise Refusal if so many clients can't be joined like this, whatever is drawn."""

    @abstractmethod
    def build(self, clients: int, streams: Streams) -> Topology:
        """The topology of clients that `check` has let pass.

        Equal settings, clients and seeds give equal graphs. Raises Refusal if what is drawn doesn't
        join all clients.
        """
