"""What messages meet on their way: latency, loss and partitions, and who is up at its end."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from sim.record.rows import CLIENT, STANDBY
from sim.world.clock import Clock
from sim.world.history import History
from sim.world.links.flows import Sharing
from sim.world.random_streams import Streams
from sim.world.trace import Trace
from sim.world.transport import FLUID, Transport

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
LossCause = Literal[
    "loss", "partition", "sender_down", "receiver_down", "timeout", "abandoned", "late"
]
_NO_CLIENT = (1 << 32) - 1


@dataclass(frozen=True)
class Wiring:
    """The physics of one network of n nodes.

    `latency_s` [n, n] seconds one way; `uplink`, `downlink` [n] bytes per second. `packet_loss`:
    the chance that a packet doesn't arrive; `transfer_loss`: that a whole transfer doesn't.
    `stall_timeout_s`: silence after which a transfer has failed. `symmetric`: each pair's latency
    is the same both ways, so that a row, which lies together in memory, serves for its column.
    `transport`: what transfers make of latency and bandwidth.
    """

    names: tuple[str, ...]
    latency_s: Floats
    uplink: Floats
    downlink: Floats
    sharing: Sharing = "none"
    packet_loss: float = 0.0
    transfer_loss: float = 0.0
    stall_timeout_s: float = 30.0
    symmetric: bool = False
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
        self.numbers: Ints = np.array([_number(name) for name in wiring.names], dtype=np.int64)
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
        self.tally = Tally()
        self._partitions: list[tuple[float, float, Ints]] = []
        self._sent: Counter[tuple[str, int, int]] = Counter()
        self._pinged: dict[int, Ints] = {}

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

    def heard_s(self, observer: int, peers: Ints) -> Floats:
        """When the observer hears that peers [n] have joined, and that they leave [2, n].

        Minus infinity of who was there from the beginning, infinity of what hasn't been said.
        """
        said_s = np.stack([self.joined_s[peers], self.left_s[peers]])
        heard_s: Floats = said_s + self.wiring.latency_s[peers, observer]
        if self._partitions:
            held = np.stack([~self.reachable(observer, peers, each_s) for each_s in said_s])
            for which, place in np.argwhere(held & np.isfinite(said_s)).tolist():
                peer = int(peers[place])
                free_s = self._free_s(peer, observer, float(said_s[which, place]))
                heard_s[which, place] = free_s + self.wiring.latency_s[peer, observer]
        return heard_s

    def was_split(self, since_s: float) -> bool:
        """Whether any partition stood at some time from `since_s` until now."""
        now = self.clock.now
        return any(from_s <= now and to_s > since_s for from_s, to_s, _ in self._partitions)

    def reachable(self, source: int, targets: Ints, times_s: Floats) -> Flags:
        """Whether no partition stands between `source` and each of `targets` [n] at `times_s`."""
        passes = np.ones(len(targets), dtype=np.bool_)
        for from_s, to_s, groups in self._partitions:
            holds = (from_s <= times_s) & (times_s < to_s)
            passes &= ~(holds & (groups[targets] != groups[source]))
        return passes

    def _free_s(self, source: int, target: int, from_s: float) -> float:
        """When two nodes can talk: at `from_s`, or when no partition stands between them again."""
        free_s = from_s
        held = True
        while held:
            held = False
            for begins_s, heals_s, groups in self._partitions:
                if begins_s <= free_s < heals_s and groups[source] != groups[target]:
                    free_s, held = heals_s, True
        return free_s

    def _round_trip_s(self, source: int, target: int) -> float:
        latency_s = self.wiring.latency_s
        return float(latency_s[source, target] + latency_s[target, source])

    def _way_s(self, source: int, target: int, size_bytes: int) -> float:
        """What a message takes until it, or its first byte, is there."""
        latency_s = float(self.wiring.latency_s[source, target])
        return self.wiring.transport.first_byte_s(latency_s) if size_bytes else latency_s

    def _luck(self, purpose: str, source: int, target: int) -> float:
        """The luck of a pair's next message of that purpose, whatever else was sent."""
        number = self._sent[purpose, source, target]
        self._sent[purpose, source, target] += 1
        names = int(self.numbers[source]), int(self.numbers[target])
        return float(self.streams.uniforms(purpose, *names, number)[0])

    def datagrams_lost(self, source: int, peers: Ints) -> tuple[Flags, Flags]:
        """Which questions to `peers` [n], and which of their answers, are lost by chance."""
        loss = self.wiring.packet_loss
        if not loss:
            nothing = np.zeros(len(peers), dtype=np.bool_)
            return nothing, nothing
        counters = self._pinged.setdefault(source, np.zeros(len(self.numbers), dtype=np.int64))
        names = self.numbers[source], self.numbers[peers], counters[peers]
        counters[peers] += 1
        ask, answer = (self.streams.uniforms(f"{which}_loss", *names) for which in ("ping", "pong"))
        return ask < loss, answer < loss


def _number(name: str) -> int:
    """Of a client its index; the server has the last number, and standbys those before."""
    if name.startswith(CLIENT):
        return int(name.removeprefix(CLIENT))
    return _NO_CLIENT - (int(name.removeprefix(STANDBY)) if name.startswith(STANDBY) else 0)
