"""Calls over TCP: a request to a peer and its reply, either of which may carry a model.

As with HTTP/1.1 connections are kept alive, and each carries one call at a time: a call takes an
idle one, or opens another. So no small message waits behind a model, and who breaks a call off
closes its connection, which ends the transfer at once. Models are so many bytes of nothing.

Beside these each node keeps one connection to each other on which it says who it is, and then
nothing: its host resets that when the process ends, and so tells those at the other ends.
"""

import asyncio
import contextlib
import json
import socket
import struct
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, NamedTuple, Self

from tests.reality.nodes.config import Config

Fields = dict[str, Any]
Arrived = Callable[[str, str, float, int], None]
"""Told of a model that has come: from whom, to whom, when it was sent, and its bytes."""


class Reply(NamedTuple):
    """What a peer answers: words, and so many bytes of a model."""

    fields: Fields
    model_bytes: int = 0


Answer = Callable[[str, str, Fields], Reply]
"""What is answered to (peer, method, fields)."""

SIZES = struct.Struct("!IQ")
"""A message begins with two lengths in bytes: of its words, in JSON, and of the model."""
CHUNK = bytes(1 << 14)
SEND_BUFFER = 1 << 18
"""Bytes that the kernel takes before they have left: enough for the path, and bounded, so that a
transfer that makes no progress is noticed."""
ABORT = struct.pack("ii", 1, 0)
"""SO_LINGER: to close is to reset, and what hasn't left by then is thrown away."""
BROKEN = (OSError, EOFError, TimeoutError)
"""How the network says that a call has failed."""
WARM = 2
"""Connections for calls to each peer that are open from the start."""
REFUSED_S = 0.2
"""How long who is refused a connection waits; else who calls again at once would without end."""
PRESENCE = "presence"
"""What a connection begins with that carries no calls."""


class Connection:
    """One TCP connection. A message of which nothing moves for `stall_s` raises TimeoutError."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, stall_s: float
    ) -> None:
        self._reader, self._writer, self._stall_s = reader, writer, stall_s
        kernel = writer.get_extra_info("socket")
        kernel.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        kernel.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
        writer.transport.set_write_buffer_limits(high=0)  # `drain` waits until the kernel has all.

    @classmethod
    async def open(cls, address: str, port: int, stall_s: float) -> Self:
        async with asyncio.timeout(stall_s):
            return cls(*await asyncio.open_connection(address, port), stall_s)

    @property
    def is_open(self) -> bool:
        """Whether neither end has closed it, as far as the kernel has heard."""
        return not (self._reader.at_eof() or self._writer.is_closing())

    async def send(self, fields: Fields, model_bytes: int = 0) -> None:
        words = json.dumps(fields).encode()
        await self._write(SIZES.pack(len(words), model_bytes) + words)
        for sent in range(0, model_bytes, len(CHUNK)):
            await self._write(CHUNK[: model_bytes - sent])

    async def _write(self, data: bytes) -> None:
        self._writer.write(data)
        async with asyncio.timeout(self._stall_s):
            await self._writer.drain()

    async def receive(self, patience_s: float | None) -> Reply:
        """The next message, for whose beginning to wait so long (None: without end)."""
        sizes = await self._read(SIZES.size, patience_s)
        words, model_bytes = SIZES.unpack(sizes)
        fields = json.loads(await self._read(words, self._stall_s))
        for come in range(0, model_bytes, len(CHUNK)):
            await self._read(min(len(CHUNK), model_bytes - come), self._stall_s)
        return Reply(fields, model_bytes)

    async def _read(self, size: int, patience_s: float | None) -> bytes:
        async with asyncio.timeout(patience_s):
            return await self._reader.readexactly(size)

    def abort(self) -> None:
        """Close it at once, whatever is on its way."""
        self._writer.transport.abort()


class Wire:
    """A node's connections, to its peers and from them.

    `answer` is what it says when called, at once; `arrived` is told of models, either way, and
    `ended` of who has been there and whose process has ended.
    """

    def __init__(
        self,
        config: Config,
        now: Callable[[], float],
        spawn: Callable[[Coroutine[Any, Any, None]], object],
        answer: Answer,
        arrived: Arrived,
        ended: Callable[[str], None],
    ) -> None:
        self._config, self._now, self._spawn = config, now, spawn
        self._answer, self._arrived, self._ended = answer, arrived, ended
        self._presence: dict[str, Connection] = {}
        self._idle: defaultdict[str, list[Connection]] = defaultdict(list)
        self._server: asyncio.Server | None = None

    async def listen(self) -> None:
        """Let others call from now on."""
        own = self._config.addresses[self._config.name]

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._spawn(self._serve(Connection(reader, writer, self._config.stall_s)))

        self._server = await asyncio.start_server(accept, own, self._config.port)

    async def meet(self, peer: str) -> None:
        """Be present to a peer; and have connections before time begins, as soon as it listens."""
        while not await self._met(peer) and self._now() < 0:
            await asyncio.sleep(0.05)

    async def _met(self, peer: str) -> bool:
        try:
            connection = self._presence[peer] = await self._opened(peer)
            await connection.send({"method": PRESENCE, "sender": self._config.name, "sent_s": 0.0})
            while self._now() < 0 and len(self._idle[peer]) < WARM:
                self._idle[peer].append(await self._opened(peer))
        except BROKEN:
            return False
        return True

    def forget(self, peer: str) -> None:
        """A peer has started anew: it knows nothing of the connections that it had."""
        for connection in self._idle.pop(peer, ()):
            connection.abort()

    def close(self) -> None:
        """Call nobody, and let nobody call, any longer."""
        if self._server:
            self._server.close()
        for peer in list(self._idle):
            self.forget(peer)
        for connection in self._presence.values():
            connection.abort()

    async def call(
        self, peer: str, method: str, model_bytes: int = 0, **fields: Any
    ) -> Reply | None:
        """Ask a peer, or send it a model: its answer, or None if the connection fails.

        To cancel it breaks it off.
        """
        request = {"method": method, "sender": self._config.name, "sent_s": self._now(), **fields}
        try:
            async with self._lent(peer) as connection:
                await connection.send(request, model_bytes)
                reply = await connection.receive(self._config.stall_s)
        except BROKEN:
            return None
        if reply.model_bytes:
            self._arrived(peer, self._config.name, reply.fields["sent_s"], reply.model_bytes)
        return reply

    @contextlib.asynccontextmanager
    async def _lent(self, peer: str) -> AsyncIterator[Connection]:
        """A connection for one call, that is kept if nothing went wrong."""
        idle = [each for each in self._idle.pop(peer, ()) if each.is_open]
        connection = idle.pop() if idle else None
        self._idle[peer] = idle
        connection = connection or await self._opened(peer)
        try:
            yield connection
        except BaseException:
            connection.abort()
            raise
        self._idle[peer].append(connection)

    async def _opened(self, peer: str) -> Connection:
        address = self._config.addresses[peer]
        try:
            return await Connection.open(address, self._config.port, self._config.stall_s)
        except ConnectionRefusedError:
            await asyncio.sleep(REFUSED_S)
            raise

    async def _serve(self, connection: Connection) -> None:
        """Answer the calls of one connection, one after the other."""
        try:
            while True:
                await self._serve_call(connection)
        except BROKEN:
            return  # The caller notices, too.
        finally:
            connection.abort()

    async def _attend(self, peer: str, connection: Connection) -> None:
        """Nothing comes of it but that it ends."""
        try:
            await connection.receive(None)
        except BROKEN:
            self._ended(peer)
            raise

    async def _serve_call(self, connection: Connection) -> None:
        fields, model_bytes = await connection.receive(None)
        method, peer, sent_s = (fields.pop(name) for name in ("method", "sender", "sent_s"))
        if method == PRESENCE:
            await self._attend(peer, connection)
        if model_bytes:
            self._arrived(peer, self._config.name, sent_s, model_bytes)
        reply = self._answer(peer, method, fields)
        await connection.send({**reply.fields, "sent_s": self._now()}, reply.model_bytes)
