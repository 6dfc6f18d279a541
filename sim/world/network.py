"""Latency, loss, partitions and delivery: every message ends as delivered, lost or in flight.

A control message pays latency and loss. A transfer pays latency, then its bytes flow over its
sender's uplink and its receiver's downlink. A transfer breaks when either end crashes or a
partition comes between them; a control message, once sent, only needs its receiver to be up when
it arrives. A lost message is lost silently: its sender learns of it by a timeout.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import simpy

from sim.world.clock import Clock, Tie
from sim.world.flows import Flow, Flows, Sharing
from sim.world.history import History
from sim.world.random_streams import Streams
from sim.world.trace import Trace

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
LossCause = Literal["loss", "partition", "sender_down", "receiver_down", "timeout", "late"]


@dataclass(frozen=True)
class Wiring:
    """The physics of one network of n nodes.

    `latency_s` [n, n] seconds one way; `uplink`, `downlink` [n] bytes per second. `symmetric`: each
    pair's latency is the same both ways, so that a row, which lies together in memory, serves for
    its column.
    """

    names: tuple[str, ...]
    latency_s: Floats
    uplink: Floats
    downlink: Floats
    sharing: Sharing = "none"
    message_loss: float = 0.0
    symmetric: bool = False


@dataclass
class Tally:
    """How messages ended; `sent` = `delivered` + all `lost` + in flight."""

    sent: int = 0
    delivered: int = 0
    bytes_delivered: int = 0
    lost: Counter[str] = field(default_factory=Counter)


@dataclass(eq=False, slots=True)
class Transfer:
    """One message under way; `acknowledged` succeeds when its sender has the receiver's word."""

    source: int
    target: int
    size_bytes: int
    payload: Any
    start_s: float
    acknowledged: simpy.Event
    flow: Flow | None = None


class Network:
    """Owns delivery among nodes that are known by their index in `wiring.names`."""

    def __init__(self, clock: Clock, trace: Trace, streams: Streams, wiring: Wiring) -> None:
        self.clock = clock
        self.trace = trace
        self.streams = streams
        self.wiring = wiring
        self.up = History(len(wiring.names), 1)
        self.tally = Tally()
        self._partitions: list[tuple[float, float, Ints]] = []
        self.flows = Flows(clock, wiring.uplink, wiring.downlink, wiring.sharing)
        self._open: list[dict[Transfer, None]] = [{} for _ in wiring.names]
        self._pings: dict[Ping, None] = {}
        self._sent_by: Counter[int] = Counter()

    # -- what can get through ------------------------------------------------------------------

    def reachable(self, source: int, targets: Ints, times_s: Floats) -> Flags:
        """Whether no partition stands between `source` and each of `targets` [n] at `times_s`."""
        passes = np.ones(len(targets), dtype=np.bool_)
        for from_s, to_s, groups in self._partitions:
            holds = (from_s <= times_s) & (times_s < to_s)
            passes &= ~(holds & (groups[targets] != groups[source]))
        return passes

    def _lost_on_the_way(self, source: int, target: int) -> LossCause | None:
        counter = self._sent_by[source]
        self._sent_by[source] += 1
        if self._partitions:
            now = np.array([self.clock.now])
            if not self.reachable(source, np.array([target]), now)[0]:
                return "partition"
        probability = self.wiring.message_loss
        if probability > 0:
            draw = self.streams.stream("message_loss", self.wiring.names[source], counter)
            if draw.random() < probability:
                return "loss"
        return None

    # -- transfers -----------------------------------------------------------------------------

    def send(
        self,
        source: int,
        target: int,
        size_bytes: int = 0,
        payload: Any = None,
        *,
        delivered: Callable[[Transfer], object] | None = None,
        acknowledge: bool = False,
    ) -> Transfer:
        """Send a message; zero bytes make it a control message.

        `delivered(transfer)` runs at the receiver when it arrives; with `acknowledge` a control
        message goes back and `transfer.acknowledged` succeeds when that has arrived.
        """
        transfer = Transfer(source, target, size_bytes, payload, self.clock.now, self.clock.event())
        self.tally.sent += 1
        cause = self._lost_on_the_way(source, target)
        if cause is not None:
            self._lose(transfer, cause)
            return transfer
        self._open[source][transfer] = None
        self._open[target][transfer] = None

        def arrive() -> None:
            self._deliver(transfer, delivered, acknowledge)

        def reach(_: simpy.Event) -> None:
            if transfer not in self._open[source]:
                return
            if not self.up.current[target]:
                self._close(transfer)
                self._lose(transfer, "receiver_down")
            elif size_bytes:
                transfer.flow = self.flows.start(source, target, size_bytes, arrive)
            else:
                arrive()

        latency = self.clock.after(float(self.wiring.latency_s[source, target]), Tie.COMPLETION)
        latency.callbacks.append(reach)
        return transfer

    def cancel(self, transfer: Transfer, cause: LossCause = "timeout") -> None:
        """Break a transfer that nobody waits for any longer; without effect once it has ended."""
        if transfer in self._open[transfer.source]:
            self._close(transfer)
            self._lose(transfer, cause)

    def _deliver(
        self, transfer: Transfer, delivered: Callable[[Transfer], object] | None, acknowledge: bool
    ) -> None:
        transfer.flow = None
        self._close(transfer)
        self.tally.delivered += 1
        self.tally.bytes_delivered += transfer.size_bytes
        if transfer.size_bytes:
            self._record(transfer, "transfer")
        if acknowledge:
            succeed = transfer.acknowledged.succeed
            self.send(transfer.target, transfer.source, delivered=lambda _: succeed())
        if delivered is not None:
            delivered(transfer)

    def _close(self, transfer: Transfer) -> None:
        del self._open[transfer.source][transfer]
        del self._open[transfer.target][transfer]
        if transfer.flow is not None:
            self.flows.stop(transfer.flow)
            transfer.flow = None

    def _lose(self, transfer: Transfer, cause: LossCause) -> None:
        self.tally.lost[cause] += 1
        self._record(transfer, "transfer_lost" if transfer.size_bytes else "message_lost", cause)

    def _record(self, transfer: Transfer, kind: str, cause: str | None = None) -> None:
        names = self.wiring.names
        self.trace.record(
            transfer.start_s,
            names[transfer.source],
            kind,
            duration_s=self.clock.now - transfer.start_s,
            peer=names[transfer.target],
            size_bytes=transfer.size_bytes,
            cause=cause,
        )

    # -- pings ---------------------------------------------------------------------------------

    def ping(self, source: int, peers: Ints, timeout_s: float, counter: int) -> Ping:
        """Ask `peers` [n]; one event and one vector operation, not n messages.

        Wait for `ping.replied`; then `ping.answered` [n] says who did and `ping.reached_s` [n]
        when the question arrived. What is not back after `timeout_s` has not answered.
        """
        ping = Ping(self, source, peers, timeout_s, counter)
        self._pings[ping] = None
        return ping

    def end_ping(self, ping: Ping, cause: LossCause | None) -> None:
        """Count the messages of an open ping; those under way are lost by `cause` (None: go on)."""
        del self._pings[ping]
        ping.count(cause)

    def is_open(self, ping: Ping) -> bool:
        """Whether the ping's asker still waits for it."""
        return ping in self._pings

    # -- faults and the end --------------------------------------------------------------------

    def node_down(self, index: int) -> None:
        """The node crashed: transfers from and to it break, its open pings end."""
        self.up.change(index, self.clock.now, 0)
        for transfer in list(self._open[index]):
            if transfer.size_bytes:
                self._close(transfer)
                self._lose(transfer, "sender_down" if transfer.source == index else "receiver_down")
        for ping in [ping for ping in self._pings if ping.source == index]:
            self.end_ping(ping, "receiver_down")

    def node_up(self, index: int) -> None:
        """The node is back."""
        self.up.change(index, self.clock.now, 1)

    def split(self, fault: str, from_s: float, to_s: float, groups: Ints) -> None:
        """Let nothing pass between different groups [n] from `from_s` on, until `to_s`.

        Said in advance, since a ping's answers are worked out after the fact.
        """
        self._partitions.append((from_s, to_s, groups))

        def fall_apart() -> Generator[simpy.Event, Any, None]:
            yield self.clock.at(from_s, Tie.FAULT)
            self._break_between(groups)
            self.trace.record(self.clock.now, "", "partition", cause=fault)
            yield self.clock.at(to_s, Tie.FAULT)
            self.trace.record(self.clock.now, "", "heal", cause=fault)

        self.clock.process(fall_apart())

    def _break_between(self, groups: Ints) -> None:
        for index, transfers in enumerate(self._open):
            for transfer in list(transfers):
                crosses = groups[transfer.source] != groups[transfer.target]
                if transfer.source == index and transfer.size_bytes and crosses:
                    self._close(transfer)
                    self._lose(transfer, "partition")

    def in_flight(self) -> int:
        """Messages that have neither arrived nor been lost yet."""
        transfers = sum(
            transfer.source == index for index, each in enumerate(self._open) for transfer in each
        )
        return transfers + sum(ping.in_flight() for ping in self._pings)

    def end(self) -> int:
        """Settle the open pings at the end of a run; returns the messages in flight, checked."""
        in_flight = self.in_flight()
        for ping in list(self._pings):
            self.end_ping(ping, None)
        ended = self.tally.delivered + sum(self.tally.lost.values())
        assert self.tally.sent == ended + in_flight, (self.tally, in_flight)
        return in_flight


class Ping:
    """One question to `peers` [n], and what became of each question and each answer.

    A question is answered if it isn't lost and the peer is up when it arrives; the answer counts
    if it isn't lost and arrives within the timeout. Ping and answers are control messages.
    """

    def __init__(
        self, network: Network, source: int, peers: Ints, timeout_s: float, counter: int
    ) -> None:
        self._network = network
        self.source = source
        self.peers = peers
        self.start_s = network.clock.now
        self.end_s = self.start_s + timeout_s
        wiring = network.wiring
        there_s = wiring.latency_s[source][peers]
        back_s = there_s if wiring.symmetric else wiring.latency_s[peers, source]
        self.reached_s = self.start_s + there_s
        self._back_s = self.reached_s + back_s
        lost = np.zeros((2, len(peers)), dtype=np.bool_)
        if wiring.message_loss > 0:
            name = wiring.names[source]
            # Element j of each vector belongs to node j, whoever is asked.
            for row, purpose in enumerate(("ping_loss", "pong_loss")):
                draws = network.streams.stream(purpose, name, counter).random(len(wiring.names))
                lost[row] = draws[peers] < wiring.message_loss
        self._ask_lost, self._answer_lost = lost
        starts = np.broadcast_to(self.start_s, len(peers))
        self._ask_blocked = ~network.reachable(source, peers, starts)
        self._answer_blocked = ~network.reachable(source, peers, self.reached_s)
        self._passes = ~(
            self._ask_lost | self._answer_lost | self._ask_blocked | self._answer_blocked
        )
        self._up: Flags | None = None
        self.answered = np.zeros(len(peers), dtype=np.bool_)
        self.replied: simpy.Event = network.clock.event()
        self._wait()

    def _wait(self) -> None:
        clock = self._network.clock
        last_s = float(self._back_s.max(initial=self.start_s))
        if self._passes.all() and last_s <= self.end_s:
            clock.at(last_s, Tie.COMPLETION).callbacks.append(lambda _: self._answers())
        else:
            clock.at(self.end_s, Tie.TIMEOUT).callbacks.append(lambda _: self._answers())

    def _up_when_reached(self) -> Flags:
        if self._up is not None:
            return self._up
        # A question that arrives at the instant of a crash comes before it.
        up = self._network.up.at(self.peers, self.reached_s, inclusive=False).astype(np.bool_)
        if self._network.clock.now >= self.reached_s.max(initial=self.start_s):
            self._up = up  # The past: no later crash changes it.
        return up

    def _answers(self) -> None:
        """The last reply that can come is in: see who answered, or wait for the timeout."""
        network = self._network
        if not network.is_open(self):
            return
        self.answered = self._passes & self._up_when_reached() & (self._back_s <= self.end_s)
        if not self.answered.all() and network.clock.now < self.end_s:
            # Somebody was down: the asker can't know, and waits.
            network.clock.at(self.end_s, Tie.TIMEOUT).callbacks.append(lambda _: self._answers())
            return
        network.end_ping(self, "late")
        self.replied.succeed()

    def _standing(self) -> tuple[Flags, Flags, Flags, int]:
        """Who got the question [n], who was down [n], whose answer is back [n]; how many fly."""
        now, asks = self._network.clock.now, ~(self._ask_lost | self._ask_blocked)
        reached, up = asks & (self.reached_s <= now), self._up_when_reached()
        arrived = reached & up
        answers = arrived & ~(self._answer_lost | self._answer_blocked)
        back = answers & (self._back_s <= now)
        return arrived, reached & ~up, back, _number(asks ^ reached) + _number(answers ^ back)

    def in_flight(self) -> int:
        """Questions and answers that are on the wire now."""
        return self._standing()[3]

    def count(self, cause: LossCause | None) -> None:
        """Add the messages to the tally as they stand now, and the ping's row to the trace."""
        network, tally = self._network, self._network.tally
        arrived, down, back, waiting = self._standing()
        lost = {
            "loss": _number(self._ask_lost) + _number(arrived & self._answer_lost),
            "partition": _number(self._ask_blocked & ~self._ask_lost)
            + _number(arrived & self._answer_blocked & ~self._answer_lost),
            "receiver_down": _number(down),
        }
        if cause is not None:
            lost[cause] = lost.get(cause, 0) + waiting
        tally.sent += len(self.peers) + _number(arrived)
        tally.delivered += _number(arrived) + _number(back)
        tally.lost.update(lost)
        network.trace.record(
            self.start_s,
            network.wiring.names[self.source],
            "ping",
            duration_s=network.clock.now - self.start_s,
            asked=len(self.peers),
            answered=_number(back),
        )


def _number(flags: Flags) -> int:
    """How many hold; ten times as fast as a sum of flags."""
    return int(np.count_nonzero(flags))
