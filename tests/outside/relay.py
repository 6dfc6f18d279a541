"""A protocol with a server: it hands one model from client to client, each trains it in turn."""

from collections.abc import Iterator
from typing import ClassVar, Literal

import simpy
from pydantic import Field

from sim.protocols import Protocol, Running, Seen
from sim.record.rows import RECEIVED
from sim.record.settings import PositiveSeconds
from sim.world import Behaviour, Node, Tie, World


class Relay(Protocol):
    """A server hands one model from client to client."""

    needs_server: ClassVar[bool] = True

    kind: Literal["relay"] = Field(default="relay", description="the protocol's kind")
    patience: PositiveSeconds = Field(default=30.0, description="how long a client may take")

    def run(self, world: World) -> Running:
        return Relaying(self, world)


class Relaying(Running):
    def __init__(self, settings: Relay, world: World) -> None:
        super().__init__(world)
        assert world.server is not None
        self.server = world.server
        self.patience_s = settings.patience

    def behaviour(self, node: Node) -> Behaviour:
        return self._lead(node) if node is self.server else self._follow(node)

    def _lead(self, server: Node) -> Behaviour:
        clock, size_bytes = self.world.clock, self.world.model_bytes
        everyone = range(len(self.world.clients))
        while True:
            for client in self.world.clients:
                if self.suspects(server, client.index):
                    yield from self.until_news(server, everyone, clock.after(1.0, Tie.TIMEOUT))
                    continue
                model = server.storage.model
                if not (yield from server.deliver(client, size_bytes, model, self.patience_s)):
                    continue
                late = clock.after(self.patience_s, Tie.TIMEOUT)
                yield simpy.AnyOf(clock, (server.mail(), late))
                for transfer in server.inbox:
                    server.storage.model = transfer.payload
                    server.storage.rounds += 1
                server.inbox.clear()

    def _follow(self, client: Node) -> Behaviour:
        while True:
            yield client.mail()
            model = yield from client.train(client.inbox[-1].payload)
            client.inbox.clear()
            if model is not None:
                client.keep(model)
                yield from client.deliver(
                    self.server, self.world.model_bytes, model, self.patience_s
                )

    def seen(self) -> Iterator[Seen]:
        yield from super().seen()
        stored = self.server.storage
        yield Seen(
            self.server.name,
            RECEIVED,
            stored.model,
            stored.rounds,
            stored.rounds,
            0.0,
            self.server.up,
        )
