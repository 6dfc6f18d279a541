"""Latency, loss, partitions and delivery: every message ends as delivered, lost or in flight.

A control message pays latency. A transfer pays latency, or what `transport.py` makes of it, then
its bytes flow over its sender's uplink and its receiver's downlink. Both ride a reliable transport:
packets that are lost are sent again, which delays control messages and slows transfers. A partition
holds messages up; they go on if it heals within the stall time-out, after which nothing has come
for so long that both ends give up. A crash of either end breaks a transfer; the end that is left
learns of it when the other is back, which resets what was open, or by the stall time-out. Where a
process ends alone, its host resets what is open at once, and refuses what comes later: lost, as the
trace has it, when its first packet is there, and known to be a way back later, when a time-out has
passed too. Only pings and heartbeats are datagrams.

Degraded links have less bandwidth and more latency. The latency of a message is that of when it is
sent, so that a later one may overtake it; how fast bytes flow changes at the instant.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

import numpy as np
import simpy

from sim.world.clock import Clock, Tie
from sim.world.detection import Detector, FailureDetection, NoDetection
from sim.world.links.flows import Flow, flows_on
from sim.world.links.windows import Cut, Degraded, Windows
from sim.world.medium import Flags, Ints, LossCause, Medium, Wiring
from sim.world.pings import Ping
from sim.world.random_streams import Streams
from sim.world.trace import Trace
from sim.world.transport import resent_s, timeout_s


@dataclass(eq=False, slots=True)
class Transfer:
    """One message under way.

    `is_open`: whether it has neither arrived nor been lost. `remaining`: bytes that have not come
    through when its flow was last held up. `silent_since_s`: since when nothing has come of it,
    where no bytes flow now.
    """

    clock: Clock
    source: int
    target: int
    size_bytes: int
    payload: Any
    start_s: float
    delivered: Callable[[Transfer], object] | None
    failed: Callable[[Transfer], object] | None
    acknowledge: bool
    remaining: float
    silent_since_s: float
    flow: Flow | None = None
    is_open: bool = True
    _settled: simpy.Event | None = None

    @property
    def settled(self) -> simpy.Event:
        """Succeeds with what its sender comes to know.

        True, the receiver's word that it has arrived, if that was asked for; False, that it is
        lost. Few messages are waited for: the event is made when somebody asks for it.
        """
        if self._settled is None:
            self._settled = self.clock.event()
        return self._settled

    def other_end(self, end: int) -> int:
        """Who is at its other end."""
        return self.target if self.source == end else self.source

    @property
    def flows(self) -> bool:
        """Whether its bytes flow now: neither held up nor broken, which its sender sees."""
        return self.flow is not None


class Network(Medium):
    """Owns delivery among nodes that are known by their index in `wiring.names`."""

    def __init__(
        self,
        clock: Clock,
        trace: Trace,
        streams: Streams,
        wiring: Wiring,
        detection: FailureDetection | None = None,
    ) -> None:
        super().__init__(clock, trace, streams, wiring)
        uplink, downlink = map(wiring.transport.usable, (wiring.uplink, wiring.downlink))
        self.flows = flows_on(clock, uplink, downlink, wiring.sharing)
        # Of each node what it sends or gets that a crash breaks: control messages are not there.
        self._open: list[dict[Transfer, None]] = [{} for _ in wiring.names]
        self._under_way = 0
        self._unheard: list[dict[Transfer, None]] = [{} for _ in wiring.names]
        self._silent: Flags = np.zeros(len(wiring.names), dtype=np.bool_)
        self._pings: dict[Ping, None] = {}
        self.detector: Detector = (detection or NoDetection(kind="none")).detector(self)

    # -- transfers -----------------------------------------------------------------------------

    def send(
        self,
        source: int,
        target: int,
        size_bytes: int = 0,
        payload: Any = None,
        *,
        delivered: Callable[[Transfer], object] | None = None,
        failed: Callable[[Transfer], object] | None = None,
        acknowledge: bool = False,
        purpose: str = "message",
    ) -> Transfer:
        """Send a message; zero bytes make it a control message.

        `delivered(transfer)` runs at the receiver when it arrives; with `acknowledge` a control
        message goes back and `transfer.settled` succeeds when that has arrived. `failed(transfer)`
        runs where the message is waited for, when it is known there that it won't come.
        """
        clock, wiring = self.clock, self.wiring
        now, stall_s = clock.now, wiring.stall_timeout_s
        transfer = Transfer(
            clock, source, target, size_bytes, payload, now, delivered, failed, acknowledge,
            float(size_bytes), now,
        )  # fmt: skip
        self.tally.sent += 1
        self._under_way += 1
        if size_bytes:
            self._open[source][transfer] = self._open[target][transfer] = None
        late_s = 0.0
        if wiring.packet_loss and not size_bytes:
            luck = self._luck(purpose, source, target)
            late_s = resent_s(wiring.packet_loss, luck, self._round_trip_s(source, target))
        # What is sent again begins when it can, and the copy that gets through waits, too.
        begun_s = self._free_s(source, target, now)
        sent_s = self._free_s(source, target, begun_s + late_s)
        way_s = self.one_way_s(source, target, sent_s)
        if sent_s >= now + stall_s:
            self._stall(transfer, "loss" if late_s >= stall_s else "partition")
        elif way_s > stall_s:
            self._stall(transfer, "late")
        else:
            if size_bytes:
                packet_s, way_s = way_s, self._first_byte_s(transfer, way_s)
                if self.resets and packet_s < way_s:  # A handshake, or slow start, comes first.
                    clock.call_at(sent_s + packet_s, Tie.ARRIVAL, partial(self._knock, transfer))
            reach = partial(self._reach, transfer, sent_s > now)
            clock.call_at(sent_s + way_s, Tie.ARRIVAL, reach)
        return transfer

    def cancel(self, transfer: Transfer, cause: LossCause = "abandoned") -> bool:
        """Break a transfer that nobody waits for any longer; False if it has ended already."""
        transfer.failed = None
        if is_open := transfer.is_open:
            self._lose(transfer, cause)
        return is_open

    def recall(self, source: int) -> None:
        """Break all transfers that a node is sending."""
        for transfer in list(self._open[source]):
            if transfer.source == source:
                self.cancel(transfer)

    def _knock(self, transfer: Transfer, _: object) -> None:
        """Its first packet is at the receiver's host, which refuses it if no process is there."""
        target = transfer.target
        has_ended = self.ended_s[target] >= self.started_s[target] and not self._silent[target]
        if transfer.is_open and has_ended and not self.up.current[target]:
            self._lose(transfer, "receiver_down")
            self._told_later(transfer, target)

    def _reach(self, transfer: Transfer, held_up: bool, _: object) -> None:
        """Its first byte is at the receiver's; `held_up`: it had to be sent again."""
        if not transfer.is_open:
            return
        source, target = transfer.source, transfer.target
        is_back = self.started_s[source] > transfer.start_s
        if held_up and (is_back or not self.up.current[source]):
            self._lose(transfer, "sender_down")  # Nobody was left to send it again.
            self._told_later(transfer, source)
        elif not self.up.current[target]:
            self._lose(transfer, "receiver_down")
            self._told_later(transfer, target)
        elif transfer.size_bytes:
            transfer.silent_since_s = self.clock.now
            self._flow(transfer)
        else:
            self._deliver(transfer)

    def _flow(self, transfer: Transfer) -> None:
        """Let the bytes flow, or wait until they can."""
        if not transfer.is_open:
            return
        source, target = transfer.source, transfer.target
        free_s = self._free_s(source, target, self.clock.now)
        if free_s >= self.clock.now + self.wiring.stall_timeout_s:
            self._stall(transfer, "partition")
        elif free_s > self.clock.now:
            self.clock.call_at(free_s, Tie.FAULT, lambda _: self._flow(transfer))
        else:
            transfer.flow = self.flows.start(
                source,
                target,
                transfer.remaining,
                partial(self._whole, transfer),
                self._at_most(source, target),
            )

    def _first_byte_s(self, transfer: Transfer, way_s: float) -> float:
        """After how long its bytes begin to flow; `way_s`: its latency."""
        source, target = transfer.source, transfer.target
        back_s = self.one_way_s(target, source, self.clock.now)
        narrower = min(self.rates(source, target))
        begun_s = self.wiring.transport.first_byte_s(transfer.size_bytes, way_s, back_s, narrower)
        return float(begun_s)

    def _at_most(self, source: int, target: int) -> float:
        """The bytes per second that a transfer between two nodes gets at most now."""
        round_trip_s = self._round_trip_s(source, target)
        return self.wiring.transport.at_most(self.wiring.packet_loss, round_trip_s)

    def _whole(self, transfer: Transfer) -> None:
        """Its last byte is there."""
        transfer.flow = None
        if self.wiring.transfer_loss:
            luck = self._luck("transfer_loss", transfer.source, transfer.target)
            if luck < self.wiring.transfer_loss:
                self._fail(transfer, "loss")
                return
        self._deliver(transfer)

    def _deliver(self, transfer: Transfer) -> None:
        self._close(transfer)
        self.tally.delivered += 1
        self.tally.bytes_delivered += transfer.size_bytes
        if transfer.size_bytes:
            self._record(transfer, "transfer")
        if transfer.acknowledge:
            self.send(
                transfer.target,
                transfer.source,
                delivered=lambda _: self._settle(transfer, True),
                failed=lambda _: self._told(transfer),
                purpose="acknowledgement",
            )
        if transfer.delivered is not None:
            transfer.delivered(transfer)

    def _stall(self, transfer: Transfer, cause: LossCause) -> None:
        """Nothing comes of it any longer, which both ends find out."""
        gives_up_s = self.clock.now + self.wiring.stall_timeout_s
        self.clock.call_at(gives_up_s, Tie.TIMEOUT, lambda _: self._fail(transfer, cause))

    def _fail(self, transfer: Transfer, cause: LossCause) -> None:
        """Both ends give it up."""
        if transfer.is_open:
            self._lose(transfer, cause)
            self._told(transfer)

    def _told_later(self, transfer: Transfer, gone: int) -> None:
        """Who is left learns of it when the node that is gone is back, or by its silence.

        Of a node that leaves it hears that it does; where a process alone has ended, it is reset.
        """
        self._unheard[gone][transfer] = None
        at_s = transfer.silent_since_s + self.wiring.stall_timeout_s
        other = transfer.other_end(gone)
        if self.is_restless:
            _, leaves_s = self.heard_s(other, np.array([gone]))
            at_s = min(at_s, float(leaves_s[0]))
        if self.ended_s[gone] >= self.started_s[gone]:
            at_s = min(at_s, self._refused_s(transfer, gone, other))
        at_s = max(self.clock.now, at_s)
        self.clock.call_at(at_s, Tie.TIMEOUT, partial(self._told, transfer))

    def _refused_s(self, transfer: Transfer, gone: int, other: int) -> float:
        """When the host of a process that has ended has told the other end.

        Of what begins after that the sender tries again: else who sends anew when it is refused
        would do so without end where messages take no time. Never if the host has crashed since.
        """
        ended_s = float(self.ended_s[gone])
        if transfer.start_s < ended_s:
            return self._there_s(gone, other, ended_s)
        if self._silent[gone]:
            return math.inf
        there_s = self._there_s(gone, other, self.clock.now)
        return max(there_s, transfer.start_s + timeout_s(self._round_trip_s(gone, other)))

    def _there_s(self, source: int, target: int, said_s: float) -> float:
        """When what a host says at `said_s` is with another."""
        free_s = self._free_s(source, target, said_s)
        return free_s + self.one_way_s(source, target, free_s)

    def _told(self, transfer: Transfer, _: object = None) -> None:
        for end in (transfer.source, transfer.target):
            self._unheard[end].pop(transfer, None)
        failed, transfer.failed = transfer.failed, None
        self._settle(transfer, False)
        if failed is not None:
            failed(transfer)

    def _settle(self, transfer: Transfer, arrived: bool) -> None:
        if not transfer.settled.triggered:
            transfer.settled.succeed(arrived)

    def _close(self, transfer: Transfer) -> None:
        transfer.is_open = False
        self._under_way -= 1
        if transfer.size_bytes:
            del self._open[transfer.source][transfer]
            self._open[transfer.target].pop(transfer, None)
        if transfer.flow is not None:
            self.flows.stop(transfer.flow)
            transfer.flow = None

    def _lose(self, transfer: Transfer, cause: LossCause) -> None:
        self._close(transfer)
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

    def ping(self, source: int, peers: Ints, timeout_s: float | None = None) -> Ping:
        """Ask `peers` [n]; one event and one vector operation, not n messages.

        Wait for `ping.replied`; then `ping.answered` [n] says who did and `ping.reached_s` [n]
        when the question arrived. What is not back after `timeout_s` has not answered; left out,
        it is three round trips of each pair, and at least a second.
        """
        ping = Ping(self, source, peers, timeout_s)
        self._pings[ping] = None
        ping.replied.callbacks.append(lambda _: self._pings.pop(ping, None))
        return ping

    # -- faults and the end --------------------------------------------------------------------

    def node_down(self, index: int, *, resets: bool = False) -> None:
        """The node crashed: transfers from and to it break, its open pings end.

        `resets`: its process did alone, and its host tells who was connected.
        """
        now = self.clock.now
        if resets:
            self.ended_s[index], self.resets = now, True
        self.up.change(index, now, 0)
        for transfer in list(self._open[index]):
            if transfer.flow is not None:
                transfer.silent_since_s = now
            self._lose(transfer, "sender_down" if transfer.source == index else "receiver_down")
            self._told_later(transfer, index)
        for ping in [ping for ping in self._pings if ping.source == index]:
            del self._pings[ping]
            ping.end("receiver_down")
        self.detector.node_down(index)

    def host_down(self, index: int) -> None:
        """The host of a node that is down crashes, too, and refuses nothing until that is back."""
        self._silent[index] = True

    def node_absent(self, index: int) -> None:
        """The node has not joined: nobody has heard of it, and it wasn't up before the start."""
        self.up.begin(index, 0)
        self.joined_s[index], self.is_restless = math.inf, True

    def node_leaves(self, index: int) -> None:
        """The node, which goes down now, says to all that they needn't wait for it."""
        self.left_s[index], self.is_restless = self.clock.now, True

    def node_up(self, index: int) -> None:
        """The node is back, or joins: its peers are told of what they believe to be open, and get a
        heartbeat.
        """
        now = self.clock.now
        self.joined_s[index] = min(self.joined_s[index], now)
        self.up.change(index, now, 1)
        self.starts.change(index, now, int(self.starts.current[index]) + 1)
        self.started_s[index], self._silent[index] = now, False
        unheard, self._unheard[index] = self._unheard[index], {}
        for transfer in unheard:
            there_s = self._there_s(index, transfer.other_end(index), now)
            self.clock.call_at(there_s, Tie.ARRIVAL, partial(self._told, transfer))
        self.detector.node_up(index)

    def split(self, fault: str, cut: Cut) -> None:
        """Let the network fall apart at times.

        Said in advance, since a ping's answers are worked out after the fact.
        """
        self._cuts.append(cut)

        def fall_apart() -> None:
            self._hold_between(cut)
            self.trace.record(self.clock.now, "", "partition", cause=fault)
            self.detector.split()

        def heal() -> None:
            self.trace.record(self.clock.now, "", "heal", cause=fault)
            self.detector.split()

        self.clock.process(self._through(cut.windows, fall_apart, heal))

    def degrade(self, fault: str, degraded: Degraded) -> None:
        """Let links of some nodes be slower at times; said in advance, too."""
        self._degraded.append(degraded)
        for nodes, windows in degraded.struck:
            change = partial(self._change, fault, degraded, np.array(nodes))
            is_late = degraded.share == 1 and degraded.latency_s > 0
            factor = None if is_late else 1.0 / degraded.share
            begin, end = partial(change, factor), partial(change, 1.0)
            self.clock.process(self._through(windows, begin, end))

    def _through(
        self, windows: Windows, begin: Callable[[], None], end: Callable[[], None]
    ) -> Generator[simpy.Event, Any, None]:
        for from_s, to_s in windows.spans:
            yield self.clock.at(from_s, Tie.FAULT)
            begin()
            yield self.clock.at(to_s, Tie.FAULT)
            end()

    def _change(self, fault: str, degraded: Degraded, nodes: Ints, factor: float | None) -> None:
        """These nodes' links begin to be slow, or do so no longer."""
        names = self.wiring.names
        for node, share in zip(nodes.tolist(), self.shares(nodes).tolist(), strict=True):
            self.flows.resize(node, share)
            self.trace.record(self.clock.now, names[node], "degrade", cause=fault, factor=factor)
        if degraded.latency_s > 0:
            self._bound_again(nodes)
            self.detector.slowed()

    def _bound_again(self, nodes: Ints) -> None:
        """Their round trips bound the rates of their transfers, and have changed."""
        for transfer in chain.from_iterable(self._open[node] for node in nodes.tolist()):
            if transfer.flow is not None and transfer.flow.is_bound:
                at_most = self._at_most(transfer.source, transfer.target)
                self.flows.bound(transfer.flow, at_most)

    def _hold_between(self, cut: Cut) -> None:
        for index, transfers in enumerate(self._open):
            for transfer in list(transfers):
                crosses = cut.parts(transfer.source, transfer.target)
                if transfer.source == index and transfer.flow is not None and crosses:
                    self.flows.stop(transfer.flow)
                    transfer.remaining, transfer.flow = transfer.flow.remaining, None
                    transfer.silent_since_s = self.clock.now
                    self._flow(transfer)

    def in_flight(self) -> int:
        """Messages that have neither arrived nor been lost yet."""
        return self._under_way + sum(ping.in_flight() for ping in self._pings)

    def end(self) -> int:
        """Settle the open pings at the end of a run; returns the messages in flight, checked."""
        in_flight = self.in_flight()
        for ping in self._pings:
            ping.end(None)
        ended = self.tally.delivered + sum(self.tally.lost.values())
        assert self.tally.sent == ended + in_flight, (self.tally, in_flight)
        return in_flight
