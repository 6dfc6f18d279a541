"""Bandwidth as a fluid: flows on uplinks and downlinks, and the instants at which they finish.

A flow crosses its sender's uplink and its receiver's downlink. When flows start or stop, the rates
of those that share a link with them change; that is done once per instant, after everything else
that happens at it. Finish times wait in a heap whose stale entries are recognised by their stamp.
"""

import heapq
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from sim.world.clock import Clock, Tie

Sharing = Literal["max_min", "equal", "none"]


@dataclass(eq=False, slots=True)
class Flow:
    """Bytes on their way over `links`: an uplink, a downlink, and its own if its rate is bound.

    `number` counts the flows as they start, and so orders those that finish at one instant.
    """

    number: int
    links: tuple[int, ...]
    remaining: float
    finished: Callable[[], None]
    since_s: float
    rate: float = 0.0
    stamp: int = 0


class Flows:
    """All flows that run now.

    `uplink`, `downlink`: bytes per second of each node [n]. `sharing`: `max_min` fair rates,
    `equal` (min of the two links' equal shares) or `none` (each flow has both links alone).
    """

    def __init__(
        self,
        clock: Clock,
        uplink: npt.NDArray[np.float64],
        downlink: npt.NDArray[np.float64],
        sharing: Sharing,
    ) -> None:
        self._clock = clock
        self._count = len(uplink)
        # Link i is node i's uplink, link count + i its downlink.
        self._capacity: list[float] = [*uplink.tolist(), *downlink.tolist()]
        # Dicts, not sets: iteration is in the order of insertion, on every machine.
        self._on_link: list[dict[Flow, None]] = [{} for _ in self._capacity]
        self._sharing = sharing
        self._changed: dict[int, None] = {}
        self._heap: list[tuple[float, int, int, Flow]] = []
        self._free_links: list[int] = []
        self._carried: npt.NDArray[np.float64] = np.zeros(len(self._capacity))
        self._started = 0
        self._running: dict[Flow, None] = {}
        self._wake_s = np.inf
        self.most_running = 0

    @property
    def running(self) -> int:
        """How many flows there are now."""
        return len(self._running)

    @property
    def carried(self) -> npt.NDArray[np.float64]:
        """Bytes that have crossed each uplink, then each downlink [2n], up to now."""
        carried = self._carried.copy()
        for flow in self._running:
            carried[list(flow.links[:2])] += self._passed(flow)
        return carried

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
        flow = Flow(self._started, links, size_bytes, finished, self._clock.now)
        self._started += 1
        self._running[flow] = None
        self.most_running = max(self.most_running, self.running)
        if self._sharing == "none":
            self._set_rate(flow, min(self._capacity[link] for link in flow.links))
            self._wake()
        else:
            for link in flow.links:
                self._on_link[link][flow] = None
            self._touch(flow)
        return flow

    def stop(self, flow: Flow) -> None:
        """Take the flow off its links; `flow.remaining` bytes have not come through."""
        del self._running[flow]
        self._advance(flow)
        flow.stamp = -1
        if self._sharing != "none":
            for link in flow.links:
                del self._on_link[link][flow]
            self._touch(flow)
        self._free_links.extend(flow.links[2:])

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
        passed = self._passed(flow)
        flow.remaining -= passed
        flow.since_s = self._clock.now
        up, down = flow.links[:2]
        self._carried[up] += passed
        self._carried[down] += passed

    def _touch(self, flow: Flow) -> None:
        if not self._changed:
            event = self._clock.after(0.0, Tie.SETTLE)
            event.callbacks.append(lambda _: self._settle())
        for link in flow.links:
            self._changed[link] = None

    def _settle(self) -> None:
        changed, self._changed = self._changed, {}
        share = self._equal if self._sharing == "equal" else self._max_min
        for flow, rate in share(changed):
            if rate != flow.rate:
                self._set_rate(flow, rate)
        self._wake()

    def _equal(self, changed: Iterable[int]) -> Iterable[tuple[Flow, float]]:
        capacity, on_link = self._capacity, self._on_link
        for flow in {flow: None for link in changed for flow in on_link[link]}:
            yield flow, min(capacity[link] / len(on_link[link]) for link in flow.links)

    def _max_min(self, changed: Iterable[int]) -> Iterable[tuple[Flow, float]]:
        """Progressive filling (Bertsekas & Gallager, Data Networks, 6.5.2) of the component."""
        links = self._component(changed)
        left = {link: self._capacity[link] for link in links}
        waiting = {link: len(self._on_link[link]) for link in links}
        heap = [(left[link] / waiting[link], link) for link in links if waiting[link]]
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
                    if other == link:
                        continue
                    left[other] = max(0.0, left[other] - share)
                    waiting[other] -= 1
                    if waiting[other]:
                        heapq.heappush(heap, (left[other] / waiting[other], other))
            waiting[link] = 0  # All its flows have their rates.
        return rates.items()

    def _component(self, changed: Iterable[int]) -> dict[int, None]:
        found = dict.fromkeys(changed)
        frontier = list(found)
        while frontier:
            for flow in self._on_link[frontier.pop()]:
                for link in flow.links:
                    if link not in found:
                        found[link] = None
                        frontier.append(link)
        return found

    def _set_rate(self, flow: Flow, rate: float) -> None:
        self._advance(flow)
        flow.rate = rate
        flow.stamp += 1
        finish_s = self._clock.now + flow.remaining / rate
        heapq.heappush(self._heap, (finish_s, flow.number, flow.stamp, flow))

    def _wake(self) -> None:
        """See to it that the clock stops at the next finish."""
        heap = self._heap
        while heap and heap[0][2] != heap[0][3].stamp:
            heapq.heappop(heap)
        if heap and heap[0][0] < self._wake_s:
            self._wake_s = heap[0][0]
            event = self._clock.at(self._wake_s, Tie.ARRIVAL)
            event.callbacks.append(lambda _: self._finish())

    def _finish(self) -> None:
        if self._clock.now != self._wake_s:
            return  # An earlier finish was scheduled since; this instant belongs to nobody.
        self._wake_s = np.inf
        heap = self._heap
        while heap and heap[0][0] <= self._clock.now:
            _, _, stamp, flow = heapq.heappop(heap)
            if stamp == flow.stamp:
                self.stop(flow)
                flow.finished()
        self._wake()
