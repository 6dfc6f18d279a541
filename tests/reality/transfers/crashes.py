"""What is left of a transfer when one end dies: its process alone, or the whole host.

The process that dies is one; the end that is left is a socket, from which is read, or to which is
written, until the kernel says that it is over.
"""

import socket
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from typing import NamedTuple

from tests.reality.network.hosts import Hosts, Link
from tests.reality.transfers.flows import PORT, World

RATE, ONE_WAY_S = 5e5, 0.04
WORLD = World((Link(RATE, RATE),) * 2, ((0.0, ONE_WAY_S), (ONE_WAY_S, 0.0)))
DIES_AFTER_S, WATCHED_S = 1.0, 8.0

SENDS = """
import socket, sys
socket.create_connection((sys.argv[1], int(sys.argv[2]))).sendall(bytes(50_000_000))
"""
RECEIVES = """
import socket, sys
peer = socket.create_connection((sys.argv[1], int(sys.argv[2])))
while peer.recv(1 << 16):
    pass
"""


class Crash(NamedTuple):
    """`dies`: the sender or the receiver. `down_s`: of a host, until it is back; None: a process
    alone.
    """

    dies: str
    down_s: float | None


class Seen(NamedTuple):
    """What the other end is told, after how many seconds, and how many bytes came after it."""

    told: str
    after_s: float
    later_bytes: int


CRASHES = [Crash(dies, down_s) for dies in ("sender", "receiver") for down_s in (None, 1.0, 3.0)]


def seen(crash: Crash) -> Seen:
    """By the end that is left; "nothing" if it isn't told before the watch ends."""
    return WORLD.played(lambda hosts: _seen(hosts, crash))


def _seen(hosts: Hosts, crash: Crash) -> Seen:
    gone, left = hosts.names
    with hosts.socket_on(left, socket.SOCK_STREAM) as listener:
        listener.bind((hosts.address[left], PORT))
        listener.listen()
        program = SENDS if crash.dies == "sender" else RECEIVES
        process = hosts.start(gone, [sys.executable, "-c", program, hosts.address[left], str(PORT)])
        peer, _ = listener.accept()
    with peer:
        watch = _Watch(peer, reads=crash.dies == "sender")
        watch.until(time.monotonic() + DIES_AFTER_S)
        died_s = time.monotonic()
        if crash.down_s is None:
            process.kill()
        else:
            hosts.crash(gone)
            watch.until(died_s + crash.down_s)
            hosts.switch_on(gone)
        carried_bytes = watch.carried_bytes
        watch.until(died_s + WATCHED_S)
    return Seen(watch.told, watch.told_s - died_s, watch.carried_bytes - carried_bytes)


class _Watch:
    """Reads or writes all the time."""

    def __init__(self, peer: socket.socket, *, reads: bool) -> None:
        self._peer, self._reads = peer, reads
        self.told, self.told_s, self.carried_bytes = "nothing", float("nan"), 0

    def until(self, end_s: float) -> None:
        """Go on until then, or until there is an end."""
        while self.told == "nothing" and (left_s := end_s - time.monotonic()) > 0:
            self._peer.settimeout(left_s)
            try:
                many = self._moved()
            except TimeoutError:
                return
            except ConnectionError as error:
                self._tell(type(error).__name__)
            else:
                self.carried_bytes += many
                if not many:
                    self._tell("end of stream")

    def _moved(self) -> int:
        if self._reads:
            return len(self._peer.recv(1 << 16))
        return self._peer.send(bytes(1 << 14))

    def _tell(self, what: str) -> None:
        self.told, self.told_s = what, time.monotonic()


def crashed(pool: Executor) -> Iterator[Sequence[str]]:
    """A head, then a row for each way to die."""
    yield "dies", "the other end sees", "after", "bytes that came later"
    for crash, told in zip(CRASHES, pool.map(seen, CRASHES), strict=True):
        host = f"the {crash.dies}'s host"
        what = (
            f"the {crash.dies}'s process"
            if crash.down_s is None
            else f"{host}, for {crash.down_s:.0f} s"
        )
        after = "" if told.told == "nothing" else f"{told.after_s:.2f} s"
        later = f"{told.later_bytes / 1e3:,.0f} kB" if crash.dies == "sender" else ""
        yield what, told.told, after, later
