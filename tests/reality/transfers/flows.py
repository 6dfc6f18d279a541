"""Flows over the kernel's TCP, and what each takes."""

import asyncio
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tests.reality.network.hosts import Hosts, Link

PORT = 5000
LATEST_S = 0.005
"""If one packet in a hundred came out later than that, what was measured doesn't count."""
MOST_TRIES = 5

Measured = TypeVar("Measured")


class TooBusy(Exception):
    """This machine has too much else to do."""


@dataclass(frozen=True)
class World:
    """Hosts by their numbers. `delays_s`: one way, from row to column."""

    links: tuple[Link, ...]
    delays_s: tuple[tuple[float, ...], ...]
    loss: float = 0.0

    def played(self, play: Callable[[Hosts], Measured], seed: int = 0) -> Measured:
        """What `play` measures, from the first time that packets came out in time.

        Raises TooBusy if they never do.
        """
        links = {f"host_{number}": link for number, link in enumerate(self.links)}
        for _ in range(MOST_TRIES):
            with Hosts(links, self.delays_s, self.loss, seed=seed) as hosts:
                measured = play(hosts)
                late_s = hosts.report().p99_s
            if late_s <= LATEST_S:
                return measured
        raise TooBusy(f"one packet in a hundred was more than {late_s:.4f} s late")


@dataclass(frozen=True)
class Flow:
    """So many bytes from one host to another, by their numbers."""

    source: int
    target: int
    size_bytes: int


@dataclass(frozen=True)
class Case:
    """Flows that begin at one instant, each on a connection of its own.

    `carried_bytes`: what the connection has carried before; None: it is new, and its handshake is
    part of the flow. `idle_s`: how long ago that was.
    """

    name: str
    world: World
    flows: tuple[Flow, ...]
    carried_bytes: int | None = None
    idle_s: float = 0.0


def round_trip_s(world: World, flow: Flow) -> float:
    """Of packets without length, when nobody else is there."""
    return world.delays_s[flow.source][flow.target] + world.delays_s[flow.target][flow.source]


def narrowest(world: World, flow: Flow) -> float:
    """Bytes per second over the slower of its two lines."""
    up, down = world.links[flow.source].up_bytes_per_s, world.links[flow.target].down_bytes_per_s
    return min(up, down)


def measured_s(case: Case, seed: int) -> list[float]:
    """What each flow takes, from the decision to send until the last byte is there."""
    return case.world.played(lambda hosts: asyncio.run(_played(hosts, case)), seed)


async def _played(hosts: Hosts, case: Case) -> list[float]:
    pipes = [Pipe(hosts, flow, PORT + number) for number, flow in enumerate(case.flows)]
    try:
        if case.carried_bytes is not None:
            await asyncio.gather(*(pipe.carry(case.carried_bytes) for pipe in pipes))
            await asyncio.sleep(case.idle_s)
        sizes = [flow.size_bytes for flow in case.flows]
        carried = [pipe.carry(size) for pipe, size in zip(pipes, sizes, strict=True)]
        return await asyncio.gather(*carried)
    finally:
        for pipe in pipes:
            pipe.close()


class Pipe:
    """A connection, made when it first carries something."""

    def __init__(self, hosts: Hosts, flow: Flow, port: int) -> None:
        source, target = hosts.names[flow.source], hosts.names[flow.target]
        self._to = (hosts.address[target], port)
        self._sender = hosts.socket_on(source, socket.SOCK_STREAM)
        self._listener = hosts.socket_on(target, socket.SOCK_STREAM)
        self._listener.bind(self._to)
        self._listener.listen()
        for each in (self._sender, self._listener):
            each.setblocking(False)
        self._sender.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._receiver: socket.socket | None = None

    async def carry(self, size_bytes: int) -> float:
        """The seconds until the last byte is there."""
        is_new, began_s = self._receiver is None, time.monotonic()
        _, ended_s = await asyncio.gather(self._send(is_new, size_bytes), self._receive(size_bytes))
        return ended_s - began_s

    async def _send(self, is_new: bool, size_bytes: int) -> None:
        loop = asyncio.get_running_loop()
        if is_new:
            await loop.sock_connect(self._sender, self._to)
        await loop.sock_sendall(self._sender, bytes(size_bytes))

    async def _receive(self, size_bytes: int) -> float:
        loop = asyncio.get_running_loop()
        if self._receiver is None:
            self._receiver, _ = await loop.sock_accept(self._listener)
        while size_bytes:
            size_bytes -= len(await loop.sock_recv(self._receiver, 1 << 16))
        return time.monotonic()

    def close(self) -> None:
        for each in (self._sender, self._listener, self._receiver):
            if each is not None:
                each.close()
