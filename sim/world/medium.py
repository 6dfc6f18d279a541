"""What messages meet on their way: latency, loss and partitions, and who is up at its end."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from sim.world.clock import Clock
from sim.world.history import History
from sim.world.links.flows import Sharing
from sim.world.links.latencies import Latencies
from sim.world.links.windows import Cut, Degraded
from sim.world.random_streams import Streams, node_numbers
from sim.world.trace import Trace
from sim.world.transport import FLUID, Transport

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
LossCause = Literal[
    "loss", "partition", "sender_down", "receiver_down", "timeout", "abandoned", "late"
]


@dataclass(frozen=True)
class Wiring:
    """The physics of one network of n nodes.

    `latencies`: one way; `uplink`, `downlink` [n] bytes per second. `packet_loss`: the chance that
    a packet doesn't arrive; `transfer_loss`: that a whole transfer doesn't. `stall_timeout_s`:
    silence after which a transfer has failed. `transport`: what transfers make of latency and
    bandwidth.
    """

    names: tuple[str, ...]
    latencies: Latencies
    uplink: Floats
    downlink: Floats
    sharing: Sharing = "none"
    packet_loss: float = 0.0
    transfer_loss: float = 0.0
    stall_timeout_s: float = 30.0
    transport: Transport = FLUID


@dataclass
class Tally:
    """How messages ended; `sent` = `delivered` + all `lost` + in flight."""

    sent: int = 0
    delivered: int = 0
    bytes_delivered: int = 0
    lost: Counter[str] = field(default_factory=Counter)


class Medium:
    """What is between nodes, who are known by their index in `wiring.names`."""

    def __init__(self, clock: Clock, trace: Trace, streams: Streams, wiring: Wiring) -> None:
        self.clock = clock
        self.trace = trace
        self.streams = streams
        self.wiring = wiring
        count = len(wiring.names)
        self.numbers: Ints = node_numbers(wiring.names)
        """Of the nodes [n], to name their luck: a client's stays, whoever else there is."""
        self.up = History(count, 1)
        self.starts = History(count, 0)
        """How often each node has come back."""
        self.started_s: Floats = np.zeros(count)
        """When each node [n] last started."""
        self.joined_s: Floats = np.full(count, -np.inf)
        """When each node [n] came for the first time; infinity if it has not come yet."""
        self.left_s: Floats = np.full(count, np.inf)
        """When each node [n] said that it leaves for good; infinity if it has not."""
        self.is_restless = False
        """Whether anybody has come later than others, or left."""
        self.ended_s: Floats = np.full(count, -np.inf)
        """When the process of each node [n] last ended on a host that stayed up."""
        self.resets = False
        """Whether there was such an end."""
        self._starters: Flags | None = None
        self.tally = Tally()
        self._cuts: list[Cut] = []
        self._degraded: list[Degraded] = []
        self._sent: Counter[tuple[str, int, int]] = Counter()
        self._pinged: dict[int, _Counts] = {}

    def members(self, observer: int, peers: Ints) -> Flags:
        """Which of `peers` [n] the observer knows to belong to the federation now.

        Who joins or leaves says so, which is known one way later, or when a partition has healed.
        No failure detector is needed for that; it costs no bandwidth, and who was down is told.
        """
        if not self.is_restless:
            return np.ones(len(peers), dtype=np.bool_)
        joined_s, left_s = self.heard_s(observer, peers)
        known: Flags = (joined_s <= self.clock.now) & (self.clock.now < left_s)
        return known

    def founders(self, peers: Ints) -> Flags:
        """Which of `peers` [n] have been there from the beginning, which everybody knows."""
        there: Flags = self.joined_s[peers] == -np.inf
        return there

    def starters(self) -> Flags:
        """Which nodes [n] are up when the first of all starts: who sets a job up begins it so.

        Of others that start at that instant, after it, none is: the first may have begun by then.
        Before that instant it is all.
        """
        is_up: Flags = self.up.current > 0
        if self._starters is None and is_up.any():
            self._starters = is_up
        return np.ones_like(is_up) if self._starters is None else self._starters

    def heard_s(self, observer: int, peers: Ints) -> Floats:
        """When the observer hears that peers [n] have joined, and that they leave [2, n].

        Minus infinity of who was there from the beginning, infinity of what hasn't been said.
        """
        return self._word_s(observer, peers, np.stack([self.joined_s[peers], self.left_s[peers]]))

    def reset_s(self, observer: int, peers: Ints) -> Floats:
        """When the connections that the observer has had to peers [n] are reset.

        A host whose process has ended does so for it; minus infinity of those that never did.
        """
        (there_s,) = self._word_s(observer, peers, self.ended_s[peers][np.newaxis])
        reset_s: Floats = there_s
        return reset_s

    def _word_s(self, observer: int, peers: Ints, said_s: Floats) -> Floats:
        """When what peers [n] said at some times [m, n] is with the observer."""
        latency_s = self.wiring.latencies.between(peers, observer)
        heard_s: Floats = said_s + (latency_s + self.added_s(observer, peers, said_s))
        if self._cuts:
            held = np.stack([~self.can_talk(observer, peers, each_s) for each_s in said_s])
            for which, place in np.argwhere(held & np.isfinite(said_s)).tolist():
                peer = int(peers[place])
                free_s = self._free_s(peer, observer, float(said_s[which, place]))
                heard_s[which, place] = free_s + self.one_way_s(peer, observer, free_s)
        return heard_s

    def was_split(self, since_s: float) -> bool:
        """Whether any partition stood at some time from `since_s` until now."""
        return any(cut.windows.held(since_s, self.clock.now) for cut in self._cuts)

    def reachable(self, sources: Ints | int, targets: Ints | int, times_s: Floats) -> Flags:
        """Whether no partition stands in the way of datagrams at `times_s` [n].

        `sources` or `targets` [n] are several, and the other one node.
        """
        passes = np.ones(len(times_s), dtype=np.bool_)
        for cut in self._cuts:
            passes &= ~(cut.windows.hold(times_s) & cut.stops(sources, targets))
        return passes

    @property
    def loses_datagrams(self) -> bool:
        """Whether anything but a peer's being down can keep a datagram away."""
        return bool(self._cuts) or self.wiring.packet_loss > 0

    def is_calm(self, since_s: float) -> bool:
        """Whether all are up, have been since before `since_s`, and nothing is lost or slow."""
        was_quiet = self.up.latest_s < since_s and not self.up.zeros
        return was_quiet and not (self.loses_datagrams or self._degraded)

    def can_talk(self, one: int, others: Ints, times_s: Floats) -> Flags:
        """Whether no partition holds up at `times_s` [n] what rides a reliable transport."""
        both = self.reachable(one, others, times_s)
        both &= self.reachable(others, one, times_s)
        return both

    def was_degraded(self, nodes: Ints | int, since_s: float) -> Flags:
        """Whose messages [n] may have taken longer at some time from `since_s` until now."""
        was = np.zeros(np.shape(nodes), dtype=np.bool_)
        for degraded in self._degraded:
            if degraded.latency_s > 0:
                was = was | degraded.held(nodes, since_s, self.clock.now)
        return was

    @property
    def most_added_s(self) -> float:
        """No message takes longer than usual by more."""
        return sum([2.0 * degraded.latency_s for degraded in self._degraded], 0.0)

    def added_s(self, one: int, others: Ints | int, sent_s: Floats | float) -> Floats | float:
        """What a message between a node and others, sent at `sent_s`, takes longer than usual.

        Of the shape to which `others` and `sent_s` are broadcast, or zero for all.
        """
        added: Floats | float = 0.0
        for degraded in self._degraded:
            if degraded.latency_s > 0:
                ends = degraded.holds(one, sent_s) + degraded.holds(others, sent_s)
                added = added + degraded.latency_s * ends
        return added

    def one_way_s(self, source: int, target: int, sent_s: float) -> float:
        """The latency of what is sent at `sent_s`."""
        usual_s = self.wiring.latencies.pair(source, target)
        return usual_s + self._one_added_s(source, target, sent_s)

    def _one_added_s(self, one: int, other: int, sent_s: float) -> float:
        """`added_s` of one message, ten times as fast."""
        added_s = 0.0
        for each in self._degraded:
            if each.latency_s > 0:
                ends = each.holds_at(one, sent_s) + each.holds_at(other, sent_s)
                added_s += each.latency_s * ends
        return added_s

    def shares(self, nodes: Ints) -> Floats:
        """What is left now of the bandwidth of each node's [n] links."""
        shares = np.ones(len(nodes))
        for degraded in self._degraded:
            shares[degraded.holds(nodes, self.clock.now) > 0] *= degraded.share
        return shares

    def rates(self, source: int, target: int) -> tuple[float, float]:
        """Bytes per second now of one's uplink and the other's downlink, whoever is on them."""
        up, down = float(self.wiring.uplink[source]), float(self.wiring.downlink[target])
        if not self._degraded:
            return up, down
        of_source, of_target = self.shares(np.array([source, target])).tolist()
        return up * of_source, down * of_target

    def _free_s(self, source: int, target: int, from_s: float) -> float:
        """When two nodes can talk: at `from_s`, or when no partition stands between them again."""
        free_s = from_s
        held = True
        while held:
            held = False
            for cut in self._cuts:
                if cut.parts(source, target) and (over_s := cut.windows.over_s(free_s)) > free_s:
                    free_s, held = over_s, True
        return free_s

    def _round_trip_s(self, source: int, target: int) -> float:
        latencies = self.wiring.latencies
        usual_s = latencies.pair(source, target) + latencies.pair(target, source)
        return usual_s + 2.0 * self._one_added_s(source, target, self.clock.now)

    def _luck(self, purpose: str, source: int, target: int) -> float:
        """The luck of a pair's next message of that purpose, whatever else was sent."""
        number = self._sent[purpose, source, target]
        self._sent[purpose, source, target] += 1
        names = int(self.numbers[source]), int(self.numbers[target])
        return self.streams.uniform(purpose, *names, number)

    def datagrams_lost(self, source: int, peers: Ints) -> tuple[Flags, Flags]:
        """Which questions to `peers` [n], and which of their answers, are lost by chance."""
        loss = self.wiring.packet_loss
        if not loss:
            nothing = np.zeros(len(peers), dtype=np.bool_)
            return nothing, nothing
        if source not in self._pinged:
            self._pinged[source] = _Counts(len(self.numbers))
        numbers = self._pinged[source].counted(peers)
        names = self.numbers[source], self.numbers[peers], numbers
        ask, answer = (self.streams.uniforms(f"{which}_loss", *names) for which in ("ping", "pong"))
        return ask < loss, answer < loss


class _Counts:
    """How often each of `most` nodes was counted: of few one by one, of many in an array."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._few: dict[int, int] = {}
        self._all: npt.NDArray[np.uint32] | None = None

    def counted(self, nodes: Ints) -> Ints:
        """How often each [n], which are different, was counted before it is now."""
        if self._all is None and 16 * (len(self._few) + len(nodes)) > self._most:
            self._all = np.zeros(self._most, dtype=np.uint32)
            self._all[list(self._few)] = list(self._few.values())
            self._few = {}
        if self._all is not None:
            before: Ints = self._all[nodes].astype(np.int64)
            self._all[nodes] += 1
            return before
        few = nodes.tolist()
        numbers = [self._few.get(node, 0) for node in few]
        self._few.update((node, number + 1) for node, number in zip(few, numbers, strict=True))
        return np.array(numbers, dtype=np.int64)
