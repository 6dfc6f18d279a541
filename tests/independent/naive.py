"""A world written as plainly as the documents say it: one heap of (time, order, number, what).

No part of the program under test is used, nor SimPy: a process is a generator that yields what it
waits for, a question that is asked anew after every event. Each heartbeat is an event, and so is
each message. Links are unshared and lose nothing.
"""

import heapq
import itertools
import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

COMPUTED, HEARD, ARRIVAL, FAULT, TIMEOUT = range(5)
"""What comes first at one instant; heartbeats before other messages, since all look at them."""
Row = tuple[str, str, float, float, Any]
Process = Generator[Callable[[], bool], None, None]


@dataclass(frozen=True)
class Described:
    """What happens to nodes 0, 1, ..., of which the last may be a server.

    `latency_s` [from][to]; `bandwidth` [node] bytes per second, both ways; `round_s` [client];
    `phase_s` [node] of its heartbeats. `outages`: node, from when to when; `cuts`: who is parted
    from all others, from when to when. A model has `size` bytes.
    """

    names: Sequence[str]
    latency_s: Sequence[Sequence[float]]
    bandwidth: Sequence[float]
    round_s: Sequence[float]
    phase_s: Sequence[float]
    outages: Sequence[tuple[int, float, float]]
    cuts: Sequence[tuple[Sequence[int], float, float]]
    merge_s: float = 0.0
    interval_s: float = 5.0
    timeout_s: float = 15.0
    stall_s: float = 30.0
    size: int = 1024


@dataclass(eq=False)
class Message:
    """One on its way; `told` is the word of what became of it: None as long as there is none."""

    source: int
    target: int
    size: int
    payload: Any
    start_s: float
    delivered: Callable[["Message"], object]
    failed: Callable[[], object] | None
    acknowledged: bool
    remaining: float
    silent_since_s: float
    flows_since_s: float | None = None
    flow: int = 0
    is_open: bool = True
    told: bool | None = None


@dataclass(eq=False)
class Life:
    """A node's: when it started, how often, and what it has heard of each other's heartbeats."""

    is_up: bool = True
    starts_s: list[float] = field(default_factory=lambda: [0.0])
    heard_s: dict[int, float] = field(default_factory=dict)
    newest_s: dict[int, float] = field(default_factory=dict)
    processes: list[tuple[Process, Callable[[], bool]]] = field(default_factory=list)


class Naive:
    """The world; `behaviour(node)` is what a node does from each of its starts on."""

    def __init__(self, described: Described, behaviour: Callable[[int], Process]) -> None:
        self.of, self.behaviour = described, behaviour
        self.now, self.rows = 0.0, list[Row]()
        self.lives = [Life() for _ in described.names]
        self._heap: list[tuple[float, int, int, Callable[[], object]]] = []
        self._numbers = itertools.count()
        self._open: list[Message] = []
        self._unheard: list[Message] = []
        for node, from_s, to_s in described.outages:
            self.at(from_s, FAULT, partial(self._crash, node))
            if to_s < math.inf:
                self.at(to_s, FAULT, partial(self._recover, node))
        for group, from_s, _ in described.cuts:
            self.at(from_s, FAULT, partial(self._cut, group))

    def run(self, until_s: float) -> list[Row]:
        """(kind, node, start, duration, what else) of all that has ended by then."""
        for node in range(len(self.lives)):
            self._beat(node)
            self._ordinary(node, 0)
            self._start(node)
        while self._heap[0][0] <= until_s:
            self.now, _, _, act = heapq.heappop(self._heap)
            act()
            self._poll()
        return [*self.rows]  # What is never finished tells so when it is thrown away.

    def at(self, time_s: float, order: int, act: Callable[[], object]) -> None:
        heapq.heappush(self._heap, (time_s, order, next(self._numbers), act))

    def after(self, seconds: float, order: int = COMPUTED) -> Callable[[], bool]:
        """Whether so much time has passed, and its turn at that instant has come."""
        over: list[bool] = []
        self.at(self.now + seconds, order, lambda: over.append(True))
        return lambda: bool(over)

    def row(self, kind: str, node: int, start_s: float, what: Any = None) -> None:
        self.rows.append((kind, self.of.names[node], start_s, self.now - start_s, what))

    def _spawn(self, node: int, process: Process) -> None:
        if (first := next(process, None)) is not None:
            self.lives[node].processes.append((process, first))

    def _poll(self) -> None:
        again = True
        while again:
            again = False
            for life in self.lives:
                for place, (process, question) in enumerate(life.processes):
                    if question():
                        life.processes[place] = (process, next(process))
                        again = True

    # -- lives and what is heard of them ---------------------------------------------------------

    def _crash(self, node: int) -> None:
        life = self.lives[node]
        life.is_up = False
        self.row("crash", node, self.now)
        for process, _ in life.processes:
            process.close()
        life.processes = []
        for message in [each for each in self._open if node in (each.source, each.target)]:
            if message.flows_since_s is not None:
                message.silent_since_s = self.now
            self._lose(message, "sender_down" if message.source == node else "receiver_down")
            self._told_later(message)

    def _recover(self, node: int) -> None:
        self.lives[node].is_up = True
        self.lives[node].starts_s.append(self.now)
        self.row("recover", node, self.now)
        for message in [each for each in self._unheard if node in (each.source, each.target)]:
            other = message.target if message.source == node else message.source
            free_s = self._free_s(node, other, self.now)
            there_s = free_s + self.of.latency_s[node][other]
            self.at(there_s, ARRIVAL, partial(self._tell, message, False))
        self._beat(node)
        self._start(node)

    def _start(self, node: int) -> None:
        self.after(self.of.timeout_s, TIMEOUT)
        self._spawn(node, self._believe(node))
        self._spawn(node, self.behaviour(node))

    def _believe(self, node: int) -> Process:
        """Tell whenever its belief in another changes; who starts anew suspects nobody."""
        believed = {peer: False for peer in range(len(self.lives)) if peer != node}

        def changed() -> list[int]:
            return [peer for peer in believed if self.suspects(node, peer) != believed[peer]]

        while True:
            yield lambda: bool(changed())
            for peer in changed():
                believed[peer] = not believed[peer]
                kind = "suspect" if believed[peer] else "trust"
                self.row(kind, node, self.now, self.of.names[peer])

    def _ordinary(self, node: int, number: int) -> None:
        sent_s = self.of.phase_s[node] + number * self.of.interval_s

        def beat() -> None:
            if self.lives[node].is_up:
                self._beat(node)
            self._ordinary(node, number + 1)

        self.at(sent_s, HEARD, beat)

    def _beat(self, node: int) -> None:
        sent_s = self.now
        for other in range(len(self.lives)):
            if other != node and not self.is_cut(node, other, sent_s):
                come = partial(self._hear, other, node, sent_s)
                self.at(sent_s + self.of.latency_s[node][other], HEARD, come)

    def _hear(self, observer: int, peer: int, sent_s: float) -> None:
        life = self.lives[observer]
        life.heard_s[peer] = self.now
        life.newest_s[peer] = max(life.newest_s.get(peer, 0.0), sent_s)
        self.after(self.of.timeout_s, TIMEOUT)

    def suspects(self, observer: int, peer: int) -> bool:
        """Whether it hasn't heard of the peer for a time-out, nor just started itself."""
        life = self.lives[observer]
        known_s = max(life.heard_s.get(peer, -math.inf), life.starts_s[-1])
        return self.now >= known_s + self.of.timeout_s

    def starts_known(self, observer: int, peer: int, since_s: float) -> int:
        """How often the peer has started after `since_s`, as its heartbeats say."""
        newest_s = self.lives[observer].newest_s.get(peer, 0.0)
        return sum(since_s < start_s <= newest_s for start_s in self.lives[peer].starts_s)

    def lost(self, observer: int, peer: int, since_s: float) -> bool:
        """Whether the peer has lost what it was given then, as the observer believes."""
        return self.suspects(observer, peer) or self.starts_known(observer, peer, since_s) > 0

    def news(self, observer: int, peers: Sequence[int]) -> Callable[[], bool]:
        """Whether any belief in the peers has changed since this was asked for."""

        def beliefs() -> list[tuple[bool, int]]:
            return [(self.suspects(observer, p), self.starts_known(observer, p, 0)) for p in peers]

        before = beliefs()
        return lambda: beliefs() != before

    # -- the network -----------------------------------------------------------------------------

    def is_cut(self, one: int, other: int, time_s: float) -> bool:
        return any(
            from_s <= time_s < to_s and (one in group) != (other in group)
            for group, from_s, to_s in self.of.cuts
        )

    def _free_s(self, one: int, other: int, from_s: float) -> float:
        while self.is_cut(one, other, from_s):
            from_s = min(to_s for _, _, to_s in self.of.cuts if to_s > from_s)
        return from_s

    def send(
        self,
        source: int,
        target: int,
        size: int,
        payload: Any,
        delivered: Callable[[Message], object],
        failed: Callable[[], object] | None = None,
        *,
        acknowledged: bool = False,
    ) -> Message:
        """A message; without bytes it is there after the latency."""
        message = Message(
            source, target, size, payload, self.now, delivered, failed, acknowledged, size, self.now
        )
        if size:
            self._open.append(message)
        sent_s = self._free_s(source, target, self.now)
        if sent_s >= self.now + self.of.stall_s:
            self._stall(message)
        else:
            held = sent_s > self.now
            there_s = sent_s + self.of.latency_s[source][target]
            self.at(there_s, ARRIVAL, partial(self._reach, message, held))
        return message

    def _reach(self, message: Message, held: bool) -> None:
        source, target = self.lives[message.source], self.lives[message.target]
        if not message.is_open:
            return
        if held and not (source.is_up and source.starts_s[-1] <= message.start_s):
            self._lose(message, "sender_down")
            self._told_later(message)
        elif not target.is_up:
            self._lose(message, "receiver_down")
            self._told_later(message)
        elif message.size:
            message.silent_since_s = self.now
            self._flow(message)
        else:
            self._deliver(message)

    def _flow(self, message: Message) -> None:
        """Let its bytes flow, once nothing stands between its ends."""
        if not message.is_open:
            return
        free_s = self._free_s(message.source, message.target, self.now)
        if free_s >= self.now + self.of.stall_s:
            self._stall(message)
        elif free_s > self.now:
            self.at(free_s, FAULT, partial(self._flow, message))
        else:
            rate = min(self.of.bandwidth[message.source], self.of.bandwidth[message.target])
            message.flows_since_s, message.flow = self.now, message.flow + 1
            flow, ends_s = message.flow, self.now + message.remaining / rate
            self.at(ends_s, ARRIVAL, partial(self._whole, message, flow))

    def _whole(self, message: Message, flow: int) -> None:
        if message.is_open and message.flow == flow and message.flows_since_s is not None:
            self._deliver(message)

    def _cut(self, group: Sequence[int]) -> None:
        for message in self._open:
            source, target, since_s = message.source, message.target, message.flows_since_s
            if since_s is not None and (source in group) != (target in group):
                rate = min(self.of.bandwidth[source], self.of.bandwidth[target])
                message.remaining -= (self.now - since_s) * rate
                message.flows_since_s, message.silent_since_s = None, self.now
                self._flow(message)

    def _deliver(self, message: Message) -> None:
        self._close(message)
        if message.size:
            self.row("transfer", message.source, message.start_s, self.of.names[message.target])
        if message.acknowledged:
            self.send(
                message.target,
                message.source,
                0,
                None,
                lambda _: self._tell(message, True),
                partial(self._tell, message, False),
            )
        message.delivered(message)

    def _stall(self, message: Message) -> None:
        def fail() -> None:
            if message.is_open:
                self._lose(message, "partition")
                self._tell(message, False)

        self.at(self.now + self.of.stall_s, TIMEOUT, fail)

    def _told_later(self, message: Message) -> None:
        self._unheard.append(message)
        at_s = max(self.now, message.silent_since_s + self.of.stall_s)
        self.at(at_s, TIMEOUT, partial(self._tell, message, False))

    def _tell(self, message: Message, arrived: bool) -> None:
        if message.told is None:
            message.told = arrived
            if message in self._unheard:
                self._unheard.remove(message)
            if not arrived and message.failed is not None:
                message.failed()

    def cancel(self, message: Message) -> None:
        """Nobody waits for it any longer."""
        message.failed = None
        if message.is_open:
            self._lose(message, "abandoned")

    def _lose(self, message: Message, cause: str) -> None:
        self._close(message)
        kind = "transfer_lost" if message.size else "message_lost"
        self.row(kind, message.source, message.start_s, (self.of.names[message.target], cause))

    def _close(self, message: Message) -> None:
        message.is_open, message.flows_since_s = False, None
        if message.size:
            self._open.remove(message)
