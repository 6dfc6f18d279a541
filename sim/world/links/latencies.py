"""How long a message takes from one node to another: worked out pair by pair, never kept n by n.

A pair's latency is a hash of the two nodes' numbers, put through a law; so it is the same whenever
it is asked for, and whoever else there is.
"""

from abc import ABC, abstractmethod

import numpy as np
import numpy.typing as npt

from sim.record.settings import Constant, Distribution
from sim.world.random_streams import Streams

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_FEW = 256
"""Of so many nodes all pairs' latencies are kept: half a megabyte."""
_MOST_KEPT = 1 << 16
"""Of so many pairs the latency is remembered, since answers follow questions: 10 MB."""
_MOST_LUCK = 1.0 - 2.0**-53


class Latencies(ABC):
    """Seconds one way between nodes, who are known by their index; a node has 0 with itself.

    `is_symmetric`: each pair's is the same both ways.
    """

    is_symmetric = True

    @abstractmethod
    def between(self, sources: Ints | int, targets: Ints | int) -> Floats:
        """From each source to its target, of the shape to which the two are broadcast."""

    def there_and_back(self, sources: Ints | int, targets: Ints | int) -> tuple[Floats, Floats]:
        """From each source to its target, and the other way, of the same shape."""
        there_s = self.between(sources, targets)
        return there_s, there_s if self.is_symmetric else self.between(targets, sources)

    @abstractmethod
    def pair(self, source: int, target: int) -> float:
        """The same of one pair, bit for bit, and ten times as fast."""

    @property
    @abstractmethod
    def longest_s(self) -> float:
        """No pair's is longer; where nodes are few it is a pair's."""

    @property
    @abstractmethod
    def shortest_s(self) -> float:
        """No pair's is shorter."""


class Given(Latencies):
    """What somebody measured: `seconds` [n, n], row to column, of each node with itself too."""

    def __init__(self, seconds: Floats) -> None:
        self._seconds = seconds
        self.is_symmetric = np.array_equal(seconds, seconds.T)

    def between(self, sources: Ints | int, targets: Ints | int) -> Floats:
        found: Floats = np.asarray(self._seconds[sources, targets])
        return found

    def pair(self, source: int, target: int) -> float:
        return float(self._seconds[source, target])

    @property
    def longest_s(self) -> float:
        return float(self._seconds.max(initial=0.0))

    @property
    def shortest_s(self) -> float:
        others = self._seconds[~np.eye(len(self._seconds), dtype=np.bool_)]
        return float(others.min()) if len(others) else 0.0


class Same(Latencies):
    """The same for all pairs."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def between(self, sources: Ints | int, targets: Ints | int) -> Floats:
        return np.where(np.equal(sources, targets), 0.0, self._seconds)

    def pair(self, source: int, target: int) -> float:
        return 0.0 if source == target else self._seconds

    @property
    def longest_s(self) -> float:
        return self._seconds

    @property
    def shortest_s(self) -> float:
        return self._seconds


class Drawn(Latencies):
    """By a law, each pair's own, the same both ways. `numbers` [n] name the nodes."""

    def __init__(self, law: Distribution, streams: Streams, numbers: Ints) -> None:
        self._law = law
        self._streams = streams
        self._numbers = numbers
        self._known: dict[tuple[int, int], float] = {}

    def between(self, sources: Ints | int, targets: Ints | int) -> Floats:
        ones, others = self._numbers[sources], self._numbers[targets]
        pairs = np.minimum(ones, others), np.maximum(ones, others)
        seconds = self._law.quantile(self._streams.uniforms("latency", *pairs))
        return np.where(ones == others, 0.0, seconds.reshape(np.shape(pairs[0])))

    def pair(self, source: int, target: int) -> float:
        if source == target:
            return 0.0
        key = (source, target) if source < target else (target, source)
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _MOST_KEPT:
                self._known.clear()
            known = self._known[key] = self._drawn(*key)
        return known

    def _drawn(self, one: int, other: int) -> float:
        names = sorted((int(self._numbers[one]), int(self._numbers[other])))
        luck = np.array([self._streams.uniform("latency", *names)])
        return float(self._law.quantile(luck)[0])

    @property
    def longest_s(self) -> float:
        return float(self._law.quantile(np.array([_MOST_LUCK]))[0])

    @property
    def shortest_s(self) -> float:
        return float(self._law.quantile(np.zeros(1))[0])


class Regional(Latencies):
    """A table's from region to region, times each pair's own factor.

    `table_s` [regions, regions], row to column; `places` [n]: the row of each node's region.
    """

    def __init__(self, table_s: Floats, places: Ints, factors: Latencies) -> None:
        used = np.unique(places)
        among_s = table_s[np.ix_(used, used)]
        self._table_s = table_s
        self._rows_s: list[list[float]] = table_s.tolist()
        self._places = places
        self._place: list[int] = places.tolist()
        self._factors = factors
        self._bounds_s = float(among_s.min(initial=np.inf)), float(among_s.max(initial=0.0))
        self.is_symmetric = np.array_equal(among_s, among_s.T)

    def between(self, sources: Ints | int, targets: Ints | int) -> Floats:
        usual_s = self._table_s[self._places[sources], self._places[targets]]
        seconds: Floats = usual_s * self._factors.between(sources, targets)
        return seconds

    def pair(self, source: int, target: int) -> float:
        usual_s = self._rows_s[self._place[source]][self._place[target]]
        return usual_s * self._factors.pair(source, target)

    @property
    def longest_s(self) -> float:
        return self._bounds_s[1] * self._factors.longest_s

    @property
    def shortest_s(self) -> float:
        return self._bounds_s[0] * self._factors.shortest_s


def by_law(law: Distribution, streams: Streams, numbers: Ints) -> Latencies:
    """Each pair's own by a law, for nodes with these numbers [n]."""
    if isinstance(law, Constant):
        return Same(law.value)
    drawn, nodes = Drawn(law, streams, numbers), np.arange(len(numbers))
    return Given(drawn.between(nodes[:, None], nodes)) if len(nodes) <= _FEW else drawn
