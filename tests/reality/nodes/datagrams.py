"""Small messages over UDP, which may be lost: heartbeats, and pings with their answers."""

import asyncio
import json
from collections.abc import Callable, Mapping
from typing import Any

from tests.reality.nodes.config import Config

Hear = Callable[..., None]
"""Called with who sent a datagram, and what it says by name."""


class Datagrams(asyncio.DatagramProtocol):
    """A node's UDP socket; `hear` says by kind what becomes of a datagram."""

    def __init__(self, config: Config, hear: Mapping[str, Hear]) -> None:
        self._config, self._hear = config, hear

    async def listen(self) -> None:
        """Send and receive from now on."""
        own = self._config.addresses[self._config.name], self._config.port
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self, local_addr=own)

    def connection_made(self, transport: Any) -> None:
        self._transport: asyncio.DatagramTransport = transport

    def send(self, peer: str, kind: str, **what: Any) -> None:
        """Send a peer a datagram; nobody says whether it arrives."""
        data = json.dumps({"sender": self._config.name, "kind": kind, **what}).encode()
        self._transport.sendto(data, (self._config.addresses[peer], self._config.port))

    def datagram_received(self, data: bytes, _: object) -> None:
        what = json.loads(data)
        self._hear[what.pop("kind")](what.pop("sender"), **what)
