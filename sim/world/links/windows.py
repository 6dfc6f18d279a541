"""When links are cut or slow: windows of time, known in advance."""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Direction = Literal["both", "out", "in"]

_NEVER = (-np.inf, -np.inf)


class Windows:
    """Spans of virtual time in their order, which don't overlap.

    Each holds from its first instant on, and at its last no longer.
    """

    def __init__(self, spans: Iterable[tuple[float, float]] = ()) -> None:
        self.spans = tuple(spans)
        # One that was over before all time, so that at any time one has begun.
        self.from_s, self.to_s = np.array([_NEVER, *self.spans]).T.copy()

    def hold(self, times_s: Floats) -> Flags:
        """In which of these instants [any shape] one holds."""
        newest = np.searchsorted(self.from_s, times_s, side="right") - 1
        inside: Flags = times_s < self.to_s[newest]
        return inside

    def over_s(self, time_s: float) -> float:
        """When the one that holds at `time_s` is over; `time_s` if none does."""
        return max(time_s, float(self.to_s[bisect_right(self.from_s, time_s) - 1]))

    def held(self, since_s: float, until_s: float) -> bool:
        """Whether one held at some time after `since_s`, up to `until_s`."""
        return bool(self.to_s[bisect_right(self.from_s, until_s) - 1] > since_s)


@dataclass(frozen=True, eq=False)
class Cut:
    """The network in parts, at times: between different `groups` [n] nothing passes.

    What rides a reliable transport needs both ways, and is held up by a cut of either. Datagrams
    are cut one way by a `direction`: `out` of the groups from 1 on, while what others send gets in;
    or `in`.
    """

    windows: Windows
    groups: Ints
    direction: Direction = "both"

    def parts(self, one: int, other: int) -> bool:
        """Whether the two are in different groups."""
        return bool(self.groups[one] != self.groups[other])

    def stops(self, sources: Ints | int, targets: Ints | int) -> Flags:
        """Whether it keeps away what `sources` send to `targets`, each [n] or one for all."""
        apart = np.asarray(self.groups[sources] != self.groups[targets])
        if self.direction == "both":
            return apart
        held = self.groups[sources if self.direction == "out" else targets] > 0
        return apart & held


class Degraded:
    """Links of some nodes, slower at times.

    `share`: of their bandwidth, what is left. `latency_s`: seconds more on each way in or out.
    `struck`: nodes, by index, each with the windows that are theirs.
    """

    def __init__(
        self,
        count: int,
        share: float,
        latency_s: float,
        struck: Sequence[tuple[Sequence[int], Windows]],
    ) -> None:
        self.share = share
        self.latency_s = latency_s
        self.struck = struck
        self._row: Ints = np.zeros(count, dtype=np.int64)
        self._rows = rows = [Windows(), *(windows for _, windows in struck)]
        for number, (nodes, _) in enumerate(struck, start=1):  # Row 0: of whom it doesn't strike.
            self._row[list(nodes)] = number
        # Complex numbers are ordered by their real part, then by the imaginary one: all rows are
        # searched at once, for (row, time).
        owners = np.repeat(np.arange(len(rows)), [len(row.from_s) for row in rows])
        self._begins = _pairs(owners, np.concatenate([row.from_s for row in rows]))
        self._to_s: Floats = np.concatenate([row.to_s for row in rows])

    def holds_at(self, node: int, time_s: float) -> bool:
        """Whether a node's links are slow at a time."""
        windows: Windows = self._rows[self._row[node]]
        return windows.over_s(time_s) > time_s

    def holds(self, nodes: Ints | int, times_s: Floats | float) -> Floats:
        """The same of several nodes or times, whose shapes are broadcast: 1 or 0."""
        return (times_s < self._newest_to_s(nodes, times_s)).astype(np.float64)

    def held(self, nodes: Ints | int, since_s: float, until_s: float) -> Flags:
        """Whose links were slow at some time after `since_s`, up to `until_s`."""
        return self._newest_to_s(nodes, until_s) > since_s

    def _newest_to_s(self, nodes: Ints | int, times_s: Floats | float) -> Floats:
        """When each node's newest window ends, of those that have begun by then."""
        newest = np.searchsorted(self._begins, _pairs(self._row[nodes], times_s), side="right") - 1
        to_s: Floats = self._to_s[newest]
        return to_s


def _pairs(rows: Ints, times_s: Floats | float) -> npt.NDArray[np.complex128]:
    # Not rows + 1j * times_s: infinity times zero is no number.
    pairs = np.empty(np.broadcast(rows, times_s).shape, dtype=np.complex128)
    pairs.real, pairs.imag = rows, times_s
    return pairs
