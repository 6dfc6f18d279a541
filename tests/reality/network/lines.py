"""What tests say over a line, and when it came."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from typing import NamedTuple, ParamSpec

import pytest

from tests.reality.network.hosts import Hosts

PORT = 5000
TRIES = 3
HEADERS_BYTES = 28
"""Of IP and UDP."""


Arguments = ParamSpec("Arguments")


def in_time(test: Callable[Arguments, None]) -> Callable[Arguments, None]:
    """Try it again: what is wrong is so each time, what the machine is late with isn't."""

    @wraps(test)
    def tried(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        for _ in range(1, TRIES):
            with suppress(AssertionError, pytest.fail.Exception):
                return test(*args, **kwargs)
        test(*args, **kwargs)

    return tried


class Came(NamedTuple):
    """A datagram's number, and when it was sent and was there, by the clock."""

    number: int
    sent_s: float
    came_s: float


class Datagrams:
    """From one host to another."""

    def __init__(self, hosts: Hosts, source: str, target: str) -> None:
        self._to = (hosts.address[target], PORT)
        self._sender = hosts.socket_on(source, socket.SOCK_DGRAM)
        self._receiver = hosts.socket_on(target, socket.SOCK_DGRAM)
        self._receiver.bind(self._to)
        self._sent_s: list[float] = []

    def send(self, size_bytes: int = 32) -> None:
        """One of so many bytes, headers included."""
        number = len(self._sent_s)
        self._sent_s.append(time.monotonic())
        self._sender.sendto(b"%*d" % (size_bytes - HEADERS_BYTES, number), self._to)

    def come(self, silence_s: float = 0.15) -> list[Came]:
        """Those that have come, until none does for so long."""
        self._receiver.settimeout(silence_s)
        came: list[Came] = []
        while True:
            try:
                number = int(self._receiver.recv(2048))
            except TimeoutError:
                return came
            came.append(Came(number, self._sent_s[number], time.monotonic()))

    def close(self) -> None:
        """Both ends."""
        self._sender.close()
        self._receiver.close()


@contextmanager
def datagrams(hosts: Hosts, source: str, target: str) -> Iterator[Datagrams]:
    """From one host to another, while it is open."""
    line = Datagrams(hosts, source, target)
    try:
        yield line
    finally:
        line.close()


@contextmanager
def connection(
    hosts: Hosts, source: str, target: str
) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a TCP connection that `source` makes."""
    with (
        hosts.socket_on(target, socket.SOCK_STREAM) as listener,
        hosts.socket_on(source, socket.SOCK_STREAM) as one,
    ):
        listener.bind((hosts.address[target], PORT))
        listener.listen()
        one.connect((hosts.address[target], PORT))
        other, _ = listener.accept()
        with other:
            yield one, other
