"""Bandwidth as a fluid: flows on uplinks and downlinks, and the instants at which they finish.

A flow crosses its sender's uplink and its receiver's downlink. When flows start or stop, the rates
of those that share a link with them change; that is done once per instant, after everything else
that happens at it. Finish times wait in a heap whose stale entries are recognised by their stamp.

Under `max_min` a link that its flows can't fill, whatever others leave them, bounds nobody's rate:
it is left out, and what begins or ends on it alone changes nothing for the others there. So a
client's wide downlink doesn't join all those who send to it.
"""

import heapq
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Literal

import numpy as np
import numpy.typing as npt

from sim.world.clock import Clock, Tie

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Sharing = Literal["max_min", "equal", "none"]

_NEARLY = 1 - 1e-9
"""What is filled to this share may be full: sums of rates are rounded."""
_BLOCK = 256
"""Rows of flows whose finish times have one bound."""


@dataclass(eq=False, slots=True)
class Flow:
    """Bytes on their way over `links`: an uplink, a downlink, and its own if its rate is bound.

    `number` counts the flows as they start, and so orders those that finish at one instant.
    `most`: bytes per second that it gets if it has its links alone. `row`: its place in arrays.
    """

    number: int
    links: tuple[int, ...]
    remaining: float
    finished: Callable[[], None]
    since_s: float
    most: float
    rate: float = 0.0
    stamp: int = 0
    row: int = -1

    @property
    def is_bound(self) -> bool:
        """Whether it began with a bound, and so has a link of its own."""
        return len(self.links) > 2


def flows_on(clock: Clock, uplink: Floats, downlink: Floats, sharing: Sharing) -> "Flows":
    """No flows yet, on links of so many bytes per second for each node [n].

    `sharing`: `max_min` fair rates, `equal` (the least of the links' equal shares) or `none` (each
    flow has its links alone).
    """
    if sharing == "equal":
        return EqualFlows(clock, uplink, downlink)
    return Flows(clock, uplink, downlink, shared=sharing == "max_min")


class Flows:
    """All flows that run now; `uplink`, `downlink`: bytes per second of each node [n]."""

    def __init__(
        self, clock: Clock, uplink: Floats, downlink: Floats, *, shared: bool = True
    ) -> None:
        self._clock = clock
        self._count = len(uplink)
        # Link i is node i's uplink, link count + i its downlink.
        self._whole: list[float] = [*uplink.tolist(), *downlink.tolist()]
        self._capacity = self._whole.copy()
        # Dicts, not sets: iteration is in the order of insertion, on every machine.
        self._on_link: list[dict[Flow, None]] = [{} for _ in self._capacity]
        self._shared = shared
        self._changed: dict[int, None] = {}
        self._heap: list[tuple[float, int, int, Flow]] = []
        self._free_links: list[int] = []
        self._started = 0
        self._running: dict[Flow, None] = {}
        self._wake_s = math.inf
        self.most_running = 0

    @property
    def running(self) -> int:
        """How many flows there are now."""
        return len(self._running)

    def start(
        self,
        source: int,
        target: int,
        size_bytes: float,
        finished: Callable[[], None],
        at_most: float = math.inf,
    ) -> Flow:
        """Put `size_bytes` on the links; `finished()` is called when the last byte is through.

        `at_most`: bytes per second that it gets however idle the links are.
        """
        links: tuple[int, ...] = (source, self._count + target)
        if at_most < math.inf:
            # As a link that nobody else crosses, a bound needs no rule of its own in any sharing.
            links += (self._own_link(at_most),)
        alone = self._alone(links)
        flow = Flow(self._started, links, size_bytes, finished, self._clock.now, alone)
        self._started += 1
        self._running[flow] = None
        self.most_running = max(self.most_running, len(self._running))
        self._begin(flow)
        return flow

    def _begin(self, flow: Flow) -> None:
        if self._shared:
            for link in flow.links:
                self._on_link[link][flow] = None
            self._touch(filter(self._can_fill, flow.links))
        else:
            self._set_rate(flow, flow.most)
            self._wake()

    def resize(self, node: int, share: float) -> None:
        """From now on a node's links carry that share of what they can, of flows under way, too."""
        for link in (node, self._count + node):
            self._resize(link, share * self._whole[link])

    def bound(self, flow: Flow, at_most: float) -> None:
        """From now on a flow that began with a bound gets at most so many bytes per second."""
        for link in flow.links[2:]:
            self._resize(link, at_most)

    def _resize(self, link: int, capacity: float) -> None:
        if capacity != self._capacity[link]:
            self._capacity[link] = capacity
            # Others of its flows' links may be filled now that could not be, and the other way.
            flows = self._on_link[link] if self._shared else self._running
            for flow in flows:
                flow.most = self._alone(flow.links)
            self._touch(chain((link,), *(flow.links for flow in flows)))

    def _alone(self, links: tuple[int, ...]) -> float:
        """What a flow gets that has these links alone."""
        capacity = self._capacity
        return min([capacity[link] for link in links])

    def stop(self, flow: Flow) -> None:
        """Take the flow off its links; `flow.remaining` bytes have not come through."""
        del self._running[flow]
        self._advance(flow)
        self._end(flow)
        self._free_links.extend(flow.links[2:])

    def rate_of(self, flow: Flow) -> float:
        """Bytes per second that it gets now."""
        return flow.rate

    def _end(self, flow: Flow) -> None:
        flow.stamp = -1
        if self._shared:
            self._touch(filter(self._can_fill, flow.links))
            for link in flow.links:
                del self._on_link[link][flow]

    def _own_link(self, capacity: float) -> int:
        if self._free_links:
            link = self._free_links.pop()
            self._capacity[link] = capacity
            return link
        self._capacity.append(capacity)
        self._on_link.append({})
        return len(self._capacity) - 1

    def _passed(self, flow: Flow) -> float:
        """Bytes that have come through since the flow's rate was set."""
        return min(flow.remaining, (self._clock.now - flow.since_s) * flow.rate)

    def _advance(self, flow: Flow) -> None:
        """Account for what has come through since the flow's rate was set."""
        flow.remaining -= self._passed(flow)
        flow.since_s = self._clock.now

    def _touch(self, links: Iterable[int]) -> None:
        if not self._changed:
            self._clock.call_at(self._clock.now, Tie.SETTLE, self._settle)
        for link in links:
            self._changed[link] = None

    def _can_fill(self, link: int) -> bool:
        """Whether the flows on a link could fill it if their other links let them."""
        room = _NEARLY * self._capacity[link]
        for flow in self._on_link[link]:
            room -= flow.most
            if room <= 0:
                return True
        return False

    def _settle(self, _: object) -> None:
        changed, self._changed = self._changed, {}
        for flow, rate in self._rates(changed):
            if rate != flow.rate:
                self._set_rate(flow, rate)
        self._wake()

    def _rates(self, changed: Iterable[int]) -> Iterable[tuple[Flow, float]]:
        """What the flows get that a change of these links can concern."""
        if self._shared:
            return self._max_min(self._reached(changed))
        return [(flow, flow.most) for flow in self._running]

    def _max_min(self, links: Iterable[int]) -> Iterable[tuple[Flow, float]]:
        """Progressive filling (Bertsekas & Gallager, Data Networks, 6.5.2) of these links."""
        left = {link: self._capacity[link] for link in links}
        waiting = {link: len(self._on_link[link]) for link in left}
        heap = [(left[link] / count, link) for link, count in waiting.items() if count]
        heapq.heapify(heap)
        rates: dict[Flow, float] = {}
        while heap:
            share, link = heapq.heappop(heap)
            if not waiting[link] or share != left[link] / waiting[link]:
                continue
            for flow in self._on_link[link]:
                if flow in rates:
                    continue
                rates[flow] = share
                for other in flow.links:
                    if other == link or other not in left:
                        continue
                    left[other] = max(0.0, left[other] - share)
                    waiting[other] -= 1
                    if waiting[other]:
                        heapq.heappush(heap, (left[other] / waiting[other], other))
            waiting[link] = 0  # All its flows have their rates.
        return rates.items()

    def _reached(self, changed: Iterable[int]) -> list[int]:
        """The links that changed, and those that share flows with them and can be filled."""
        found = dict.fromkeys(changed, True)
        frontier = list(found)
        while frontier:
            for flow in self._on_link[frontier.pop()]:
                for link in flow.links:
                    if link not in found:
                        found[link] = self._can_fill(link)
                        if found[link]:
                            frontier.append(link)
        return [link for link, is_reached in found.items() if is_reached]

    def _set_rate(self, flow: Flow, rate: float) -> None:
        self._advance(flow)
        flow.rate = rate
        flow.stamp += 1
        finish_s = self._clock.now + flow.remaining / rate
        heapq.heappush(self._heap, (finish_s, flow.number, flow.stamp, flow))

    def _wake(self) -> None:
        """See to it that the clock stops at the next finish."""
        next_s = self._next_s()
        if next_s < self._wake_s:
            self._wake_s = next_s
            self._clock.call_at(next_s, Tie.ARRIVAL, self._finish)

    def _finish(self, _: object) -> None:
        if self._clock.now != self._wake_s:
            return  # An earlier finish was scheduled since; this instant belongs to nobody.
        self._wake_s = math.inf
        for flow in self._ended():
            self.stop(flow)
            flow.finished()
        self._wake()

    def _next_s(self) -> float:
        """When the next flow finishes, at the rates that there are."""
        heap = self._heap
        while heap and heap[0][2] != heap[0][3].stamp:
            heapq.heappop(heap)
        return heap[0][0] if heap else math.inf

    def _ended(self) -> Iterator[Flow]:
        """Those whose last byte is through now, in the order of their start."""
        heap = self._heap
        while heap and heap[0][0] <= self._clock.now:
            _, _, stamp, flow = heapq.heappop(heap)
            if stamp == flow.stamp:
                yield flow


class EqualFlows(Flows):
    """Each flow gets the least of its links' equal shares.

    When one of the thousand flows on a server's link ends, the rates of all others change: they are
    rows of arrays, and those of the links that changed are one vector operation. There is no heap
    of finish times: the earliest is sought in the block of rows that bounds it, so an instant costs
    what it changes.
    """

    def __init__(self, clock: Clock, uplink: Floats, downlink: Floats) -> None:
        super().__init__(clock, uplink, downlink)
        self._room: Floats = np.array(self._capacity)
        self._crowd: Floats = np.zeros(len(self._room))  # Flows on each link.
        # Dicts, not sets: iteration is in the order of insertion, on every machine.
        self._rows_on: list[dict[int, None]] = [{} for _ in self._room]
        self._flows: list[Flow | None] = []
        self._free_rows: list[int] = []
        self._links: Ints = np.zeros((0, 3), dtype=np.int64)
        self._remaining, self._since_s, self._rate, self._finish_s = np.zeros((4, 0))
        self._bound_s: Floats = np.zeros(0)  # No row of a block has a lower `_finish_s`.

    def rate_of(self, flow: Flow) -> float:
        return float(self._rate[flow.row])

    def _begin(self, flow: Flow) -> None:
        row = flow.row = self._free_rows.pop() if self._free_rows else self._new_row()
        self._flows[row] = flow
        # A flow without a bound of its own crosses its uplink twice: the least share is the same.
        self._links[row] = (*flow.links, flow.links[0])[:3]
        self._remaining[row], self._since_s[row] = flow.remaining, flow.since_s
        self._rate[row] = 0.0
        for link in flow.links:
            self._rows_on[link][row] = None
            self._crowd[link] += 1
        self._touch(flow.links)

    def _new_row(self) -> int:
        self._flows.append(None)
        if len(self._flows) > len(self._links):
            more = max(_BLOCK, len(self._links))
            self._links = np.concatenate([self._links, np.zeros((more, 3), dtype=np.int64)])
            self._remaining, self._since_s, self._rate, self._finish_s = (
                np.concatenate([column, np.full(more, np.inf)])
                for column in (self._remaining, self._since_s, self._rate, self._finish_s)
            )
            self._bound_s = np.append(self._bound_s, np.full(more // _BLOCK, np.inf))
        return len(self._flows) - 1

    def _own_link(self, capacity: float) -> int:
        link = super()._own_link(capacity)
        if link == len(self._room):
            self._room, self._crowd = np.append(self._room, 0.0), np.append(self._crowd, 0.0)
            self._rows_on.append({})
        self._room[link] = capacity
        return link

    def _resize(self, link: int, capacity: float) -> None:
        super()._resize(link, capacity)
        self._room[link] = capacity

    def _passed(self, flow: Flow) -> float:
        passed_s = self._clock.now - self._since_s[flow.row]
        return float(min(self._remaining[flow.row], passed_s * self._rate[flow.row]))

    def _end(self, flow: Flow) -> None:
        row = flow.row
        for link in flow.links:
            del self._rows_on[link][row]
            self._crowd[link] -= 1
        self._flows[row], self._finish_s[row] = None, np.inf
        self._free_rows.append(row)
        self._touch(flow.links)

    def _advance(self, flow: Flow) -> None:
        flow.remaining = float(self._remaining[flow.row])
        super()._advance(flow)

    def _settle(self, _: object) -> None:
        changed, self._changed = self._changed, {}
        # A row that is there twice gets the same twice.
        touched = chain.from_iterable([self._rows_on[link] for link in changed])
        rows = np.fromiter(touched, dtype=np.int64)
        links = self._links[rows]
        rates = (self._room[links] / self._crowd[links]).min(axis=1, initial=np.inf)
        moved = rates != self._rate[rows]
        rows, rates, now = rows[moved], rates[moved], self._clock.now
        passed = np.minimum(self._remaining[rows], (now - self._since_s[rows]) * self._rate[rows])
        self._remaining[rows] -= passed
        self._since_s[rows], self._rate[rows] = now, rates
        self._finish_s[rows] = now + self._remaining[rows] / rates
        np.minimum.at(self._bound_s, rows // _BLOCK, self._finish_s[rows])
        self._wake()

    def _next_s(self) -> float:
        while self._flows:
            block = int(self._bound_s.argmin())
            earliest_s = self._finish_s[block * _BLOCK : (block + 1) * _BLOCK].min()
            if earliest_s == self._bound_s[block]:
                return float(earliest_s)
            self._bound_s[block] = earliest_s  # Its rows have ended, or have become slower.
        return math.inf  # There has been none yet, but a link may have changed.

    def _ended(self) -> Iterator[Flow]:
        now, ended = self._clock.now, []
        for block in (self._bound_s <= now).nonzero()[0].tolist():
            first = block * _BLOCK
            (rows,) = (self._finish_s[first : first + _BLOCK] <= now).nonzero()
            ended += [flow for row in rows.tolist() if (flow := self._flows[first + row])]
        for flow in sorted(ended, key=lambda flow: flow.number):
            if flow in self._running:  # Another's end may have taken it off.
                yield flow
