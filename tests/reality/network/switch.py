"""One small process between all hosts: rates, delays, loss, cuts and silence, packet by packet.

A packet crosses its sender's uplink (served at its rate, a queue of bounded length), then the long
way to its receiver (the pair's delay, and a seeded coin that loses it), then the receiver's
downlink, like the uplink. Each step begins when the one before was due to end, not when this
process came to it: being late delays a packet, and slows no line.

It is told what to do over a socket, where a host's device comes as a file descriptor. Nothing but
the standard library: the fewer there is, the sooner a packet is out.
"""

import gc
import heapq
import json
import math
import operator
import os
import random
import select
import socket
import sys
import time
from array import array
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

FULL_PACKET_BYTES = 1500
FEWEST_PACKETS = 20
"""A queue has room for so many, however short its link."""
PRIORITY = 50
COMMAND_BYTES = 1 << 16
LONGEST_WAIT_S = 60.0
_MOST_AT_ONCE = 64
"""Packets read from one host before what is due goes out."""


class Packet(NamedTuple):
    """IP, on its way."""

    source: "Host"
    target: "Host"
    data: bytes


class Line:
    """One direction of a host's link: a queue, served at `bytes_per_s`.

    A packet that is being sent is still in the queue; it is sent at the rate at which it began.
    """

    def __init__(
        self,
        bytes_per_s: float,
        room_bytes: float,
        at: "Timetable",
        out: Callable[[Packet, float], None],
    ) -> None:
        self.bytes_per_s = bytes_per_s
        self.queue: deque[Packet] = deque()
        self._room_bytes = room_bytes
        self._queued_bytes = 0
        self._at = at
        self._out = out

    def takes(self, packet: Packet, now_s: float) -> bool:
        """Put a packet at the end, if there is room."""
        if self._queued_bytes + len(packet.data) > self._room_bytes:
            return False
        self.queue.append(packet)
        self._queued_bytes += len(packet.data)
        if len(self.queue) == 1:
            self._serve(now_s)
        return True

    def _serve(self, now_s: float) -> None:
        packet = self.queue[0]
        self._at.call(now_s + len(packet.data) / self.bytes_per_s, self._sent, packet)

    def _sent(self, packet: Packet, due_s: float) -> None:
        if not self.queue or self.queue[0] is not packet:
            return  # It was dropped meanwhile.
        self.queue.popleft()
        self._queued_bytes -= len(packet.data)
        if self.queue:
            self._serve(due_s)
        self._out(packet, due_s)

    def emptied(self) -> int:
        """Drop what waits, and what is being sent; how many packets that were."""
        many = len(self.queue)
        self.queue.clear()
        self._queued_bytes = 0
        return many


class Timetable:
    """What is due when, in the order of its time, then of its entry."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Callable[[Packet, float], None], Packet]] = []
        self._entered = 0

    def call(self, due_s: float, step: Callable[[Packet, float], None], packet: Packet) -> None:
        """`step(packet, due_s)` then."""
        self._entered += 1
        heapq.heappush(self._heap, (due_s, self._entered, step, packet))

    def next_s(self) -> float:
        """When the next is due."""
        return self._heap[0][0] if self._heap else math.inf

    def run(self, now_s: float) -> None:
        """Do all that is due."""
        heap = self._heap
        while heap and heap[0][0] <= now_s:
            due_s, _, step, packet = heapq.heappop(heap)
            step(packet, due_s)


class Host:
    """One end: its address, its two lines, and its device while it is switched on."""

    def __init__(self, number: int, address: str, uplink: Line, downlink: Line) -> None:
        self.number = number
        self.address = socket.inet_aton(address)
        self.uplink = uplink
        self.downlink = downlink
        self.tun: int | None = None
        self.is_silent = False
        self.added_s = 0.0


class Switch:
    """All hosts of one world; `shape` is what `Hosts` tells of it."""

    def __init__(self, control: socket.socket, shape: Mapping[str, Any]) -> None:
        self._control = control
        self._at = Timetable()
        self._delays_s: list[list[float]] = shape["delays_s"]
        self._loss: list[list[float]] = shape["loss"]
        self._queue: float = shape["queue"]
        self._rates: list[tuple[float, float]] = shape["rates"]
        self._hosts = [self._host(*each) for each in enumerate(shape["addresses"])]
        self._by_address = {host.address: host for host in self._hosts}
        # Of each pair and way its own coin: how much others say changes nobody's luck.
        self._coins = [
            [
                random.Random(f"{shape['seed']} {one.address!r} {other.address!r}")
                for other in self._hosts
            ]
            for one in self._hosts
        ]
        self._groups = [0] * len(self._hosts)
        self._delivered = 0
        self._dropped: Counter[str] = Counter()
        self._late_s = array("d")
        self._commands: Mapping[str, Callable[..., Any]] = {
            "connect": self.connect,
            "disconnect": self.disconnect,
            "silence": self.silence,
            "speak": self.speak,
            "group": self.group,
            "slow_down": self.slow_down,
            "report": self.report,
        }

    def _host(self, number: int, address: str) -> Host:
        back_s = [row[number] for row in self._delays_s]
        round_trips_s = map(operator.add, self._delays_s[number], back_s)
        worth_s = self._queue * max(round_trips_s)
        steps = self._leave, self._deliver
        uplink, downlink = (
            Line(rate, max(rate * worth_s, FEWEST_PACKETS * FULL_PACKET_BYTES), self._at, step)
            for rate, step in zip(self._rates[number], steps, strict=True)
        )
        return Host(number, address, uplink, downlink)

    # -- the way of a packet ---------------------------------------------------------------------

    def _enter(self, host: Host, data: bytes, now_s: float) -> None:
        target = self._by_address.get(data[16:20])
        if target is None:
            self._dropped["elsewhere"] += 1
        elif host.is_silent:
            self._dropped["silent"] += 1
        elif not host.uplink.takes(Packet(host, target, data), now_s):
            self._dropped["uplink full"] += 1

    def _leave(self, packet: Packet, due_s: float) -> None:
        """It is out of the uplink; what has left when a cut comes still arrives."""
        one, other = packet.source, packet.target
        is_lost = (
            self._coins[one.number][other.number].random() < self._loss[one.number][other.number]
        )
        if self._groups[one.number] != self._groups[other.number]:
            self._dropped["cut"] += 1
        elif is_lost:
            self._dropped["lost"] += 1
        else:
            way_s = self._delays_s[one.number][other.number] + one.added_s + other.added_s
            self._at.call(due_s + way_s, self._reach, packet)

    def _reach(self, packet: Packet, due_s: float) -> None:
        host = packet.target
        if host.is_silent:
            self._dropped["silent"] += 1
        elif not host.downlink.takes(packet, due_s):
            self._dropped["downlink full"] += 1

    def _deliver(self, packet: Packet, due_s: float) -> None:
        assert packet.target.tun is not None
        os.write(packet.target.tun, packet.data)
        self._late_s.append(time.monotonic() - due_s)
        self._delivered += 1

    # -- what it is told -------------------------------------------------------------------------

    def connect(self, host: int, *, device: int) -> None:
        """A host is switched on; it may be silent still."""
        self._hosts[host].tun = device

    def disconnect(self, host: int) -> None:
        """A host is switched off: silent, and its device is gone."""
        self.silence(host)
        device, self._hosts[host].tun = self._hosts[host].tun, None
        if device is not None:
            os.close(device)

    def silence(self, host: int) -> None:
        """Nothing more comes in or gets out; what waited in its queues is gone."""
        silent = self._hosts[host]
        silent.is_silent = True
        self._dropped["silent"] += silent.uplink.emptied() + silent.downlink.emptied()

    def speak(self, host: int) -> None:
        """Its link is there again."""
        self._hosts[host].is_silent = False

    def group(self, groups: Sequence[int]) -> None:
        """Between hosts of different groups nothing passes."""
        self._groups = list(groups)

    def slow_down(self, host: int, share: float, added_s: float) -> None:
        """Leave a host's lines `share` of their rates; each way in or out takes `added_s` more."""
        slow, (up, down) = self._hosts[host], self._rates[host]
        slow.uplink.bytes_per_s, slow.downlink.bytes_per_s = up * share, down * share
        slow.added_s = added_s

    def report(self) -> dict[str, Any]:
        """What became of packets until now, and by how many seconds they came out late."""
        late_s = sorted(self._late_s)
        return {
            "delivered": self._delivered,
            "dropped": dict(sorted(self._dropped.items())),
            "worst_s": late_s[-1] if late_s else 0.0,
            "p99_s": late_s[len(late_s) * 99 // 100] if late_s else 0.0,
        }

    def _obey(self) -> bool:
        """Do what the next command says; False if there is nobody left to give one."""
        message, devices, _, _ = socket.recv_fds(self._control, COMMAND_BYTES, 1)
        if not message:
            return False
        name, *arguments = json.loads(message)
        named = {"device": devices[0]} if devices else {}
        answer = self._commands[name](*arguments, **named)
        self._control.send(json.dumps([time.monotonic(), answer]).encode())
        return True

    # -- the loop --------------------------------------------------------------------------------

    def run(self) -> None:
        """Until nobody is left who could give a command."""
        while self._obey():
            talking = {host.tun: host for host in self._hosts if host.tun is not None}
            self._carry(talking)

    def _carry(self, talking: Mapping[int, Host]) -> None:
        """Packets, until there is a command."""
        command = self._control.fileno()
        sources = [command, *talking]
        ready: list[int] = []
        while command not in ready:
            wait_s = min(max(self._at.next_s() - time.monotonic(), 0.0), LONGEST_WAIT_S)
            ready, _, _ = select.select(sources, (), (), wait_s)  # Epoll counts in milliseconds.
            self._at.run(time.monotonic())
            for source in ready:
                if source != command:
                    self._read(talking[source])

    def _read(self, host: Host) -> None:
        assert host.tun is not None
        for _ in range(_MOST_AT_ONCE):
            try:
                data = os.read(host.tun, FULL_PACKET_BYTES)
            except BlockingIOError:
                return
            self._enter(host, data, time.monotonic())


def served_first(process: int, priority: int) -> None:
    """Run a process whenever it is ready, before others; where that is refused, as all others.

    `priority`: of real-time round robin. How late packets came out says whether it was needed.
    """
    with suppress(PermissionError):
        os.sched_setscheduler(process, os.SCHED_RR, os.sched_param(priority))


def main(control: socket.socket) -> None:
    """The process: it is told the shape of the world, then runs it."""
    served_first(0, PRIORITY)
    Path("/proc/self/timerslack_ns").write_text("1")
    switch = Switch(control, json.loads(control.recv(COMMAND_BYTES)))
    gc.freeze()
    gc.disable()  # Nothing here holds itself.
    switch.run()


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
