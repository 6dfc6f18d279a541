"""Hosts that share nothing but a network, on one machine: each in a namespace of its own.

    with Hosts({"a": Link(2.5e5, 1e6), "b": Link(2.5e5, 1e6)}, delays_s=0.04) as hosts:
        process = hosts.start("a", [sys.executable, "-m", "my.node", hosts.address["b"]])

Their packets go through one `switch`. Addresses are of the range that is set aside for measuring
(RFC 2544), and no packet leaves the namespaces. Linux and root only.
"""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from ipaddress import IPv4Network
from types import TracebackType
from typing import Any, NamedTuple, Self

from tests.reality.network import switch
from tests.reality.network.namespace import inside, namespace

EVERYONE = "198.18.0.0/24"
PRIORITY = 10
"""Of what hosts run: less than the switch's, more than that of all else on the machine."""

Matrix = Sequence[Sequence[float]]


class Link(NamedTuple):
    """Bytes per second, IP headers included."""

    up_bytes_per_s: float
    down_bytes_per_s: float


@dataclass(frozen=True)
class Report:
    """Packets that came out, those that were dropped by cause, and how late they came out."""

    delivered: int
    dropped: Mapping[str, int]
    worst_s: float
    p99_s: float


class Hosts:
    """Named hosts and the network between them, from `with` on.

    `delays_s`: one way, from row to column in the order of `links`, or one for all; so is `loss`,
    the chance of each packet. `queue`: how many longest round trips' worth of bytes wait at each
    end of a link before packets are dropped; 20 full packets find room in any case.

    Processes are started from the thread that has entered: they end with it, and Ctrl-C in a
    terminal is for it alone.
    """

    def __init__(
        self,
        links: Mapping[str, Link],
        delays_s: Matrix | float,
        loss: Matrix | float = 0.0,
        *,
        seed: int = 0,
        queue: float = 1.0,
    ) -> None:
        self.names = list(links)
        addresses = IPv4Network(EVERYONE).hosts()
        self.address = {name: str(address) for name, address in zip(links, addresses, strict=False)}
        self._shape = {
            "addresses": list(self.address.values()),
            "rates": list(links.values()),
            "delays_s": self._square(delays_s),
            "loss": self._square(loss),
            "queue": queue,
            "seed": seed,
        }
        self._namespaces: dict[str, int] = {}
        self._processes: dict[str, list[subprocess.Popen[Any]]] = {name: [] for name in links}

    def _square(self, values: Matrix | float) -> Matrix:
        if isinstance(values, int | float):
            return [[values] * len(self.names) for _ in self.names]
        return [list(row) for row in values]

    def __enter__(self) -> Self:
        with ExitStack() as opened:
            self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                end = theirs.fileno()
                process = subprocess.Popen(
                    [sys.executable, "-P", switch.__file__, str(end)],
                    pass_fds=[end],
                    process_group=0,
                )
            # The switch goes first: it must not meet devices whose namespaces have gone.
            opened.callback(self._leave)
            opened.callback(process.wait)
            opened.callback(self._control.close)  # Which it takes for the end.
            self._control.send(json.dumps(self._shape).encode())
            for name in self.names:
                self.switch_on(name)
            self._opened = opened.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._opened.close()

    def _leave(self) -> None:
        for name in list(self._namespaces):
            self._kill(name)
            os.close(self._namespaces.pop(name))

    # -- hosts -----------------------------------------------------------------------------------

    def start(self, name: str, command: Sequence[str], **popen: Any) -> subprocess.Popen[Any]:
        """A process on that host, which ends when this one does; `popen` as for `Popen`."""
        inside = [
            *("setpriv", "--pdeathsig", "KILL"),
            *("nsenter", f"--net=/proc/{os.getpid()}/fd/{self._namespaces[name]}"),
        ]
        process = subprocess.Popen([*inside, *command], process_group=0, **popen)
        switch.served_first(process.pid, PRIORITY)
        self._processes[name].append(process)
        return process

    def socket_on(self, name: str, kind: socket.SocketKind) -> socket.socket:
        """One on that host, used by this process, which no crash of the host closes."""
        return inside(self._namespaces[name], lambda: socket.socket(socket.AF_INET, kind))

    def switch_on(self, name: str) -> None:
        """A host begins, or begins anew after `crash`, with nothing running and no connections."""
        made = namespace(self.address[name], EVERYONE)
        self._namespaces[name] = made.network
        try:
            self._tell("connect", self._number(name), device=made.tun)
        finally:
            os.close(made.tun)
        self.speak(name)

    def crash(self, name: str) -> float:
        """A host dies: its link goes silent, then nothing of it is left. When, by the clock."""
        at_s = self._tell("disconnect", self._number(name))
        self._kill(name)
        os.close(self._namespaces.pop(name))
        return at_s

    def _kill(self, name: str) -> None:
        for process in self._processes[name]:
            process.send_signal(signal.SIGKILL)
            process.wait()
        self._processes[name].clear()

    # -- links -----------------------------------------------------------------------------------

    # Each tells at which instant of `time.monotonic` it has taken effect.

    def silence(self, name: str) -> float:
        """Let nothing in or out any longer; what waits in the link's queues is gone."""
        return self._tell("silence", self._number(name))

    def speak(self, name: str) -> float:
        """The link is there again."""
        return self._tell("speak", self._number(name))

    def cut(self, groups: Iterable[Iterable[str]]) -> float:
        """Let nothing pass between these groups; who is in none is in one with all such."""
        group_of = {name: number for number, group in enumerate(groups, 1) for name in group}
        return self._tell("group", [group_of.get(name, 0) for name in self.names])

    def heal(self) -> float:
        """All can reach all again."""
        return self.cut([])

    def degrade(self, name: str, share: float, added_s: float = 0.0) -> float:
        """Leave a host's link `share` of its rates; each way in or out takes `added_s` longer."""
        return self._tell("slow_down", self._number(name), share, added_s)

    def restore(self, name: str) -> float:
        """As it was."""
        return self.degrade(name, 1.0)

    def report(self) -> Report:
        """What became of packets until now. Ask before the end, and not while times count."""
        return Report(**self._ask("report")[1])

    def _number(self, name: str) -> int:
        return self.names.index(name)

    def _tell(self, *command: Any, device: int | None = None) -> float:
        at_s: float = self._ask(*command, device=device)[0]
        return at_s

    def _ask(self, *command: Any, device: int | None = None) -> Any:
        devices = [] if device is None else [device]
        socket.send_fds(self._control, [json.dumps(command).encode()], devices)
        answer = self._control.recv(switch.COMMAND_BYTES)
        if not answer:
            raise RuntimeError("the switch has ended")
        return json.loads(answer)
