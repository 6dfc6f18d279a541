"""Federated averaging with a server, which can crash.

McMahan, Moore, Ramage, Hampson, Agüera y Arcas, "Communication-Efficient Learning of Deep Networks
from Decentralized Data", AISTATS 2017, arXiv 1602.05629, algorithm 1; the paper's "FLS".
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, ClassVar, Literal

import simpy
from pydantic import Field

from sim.compute import ModelRef
from sim.protocols.protocol import KIND, Protocol, Retries, Running, Seen
from sim.record.errors import Refusal
from sim.record.rows import RECEIVED
from sim.record.settings.quantities import PositiveSeconds
from sim.world import Behaviour, Node, Tie, Transfer, World


class FedAvg(Protocol):
    """Server-based: the server sends a model out, clients train, it averages what returns.

    Source: McMahan et al. 2017, arXiv 1602.05629.
    """

    needs_server: ClassVar[bool] = True

    kind: Literal["fedavg"] = Field(default="fedavg", description=KIND)
    deadline: PositiveSeconds | None = Field(
        default=None, description="when a server round closes; required with faults or loss"
    )
    minimum_fraction: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.5, description="share of the updates without which a round starts again"
    )
    participation: Annotated[float, Field(gt=0, le=1)] = Field(
        default=1.0, description="share of the clients selected for each server round"
    )
    transfer_timeout: PositiveSeconds = Field(
        default=30.0, description="how long to wait for weights"
    )
    retries: Retries = Field(default=3, description="how often to ask again after a timeout")
    retry_initial: PositiveSeconds = Field(
        default=1.0, description="a client's first wait when it finds the server down"
    )
    retry_cap: PositiveSeconds = Field(
        default=30.0, description="its longest wait; each wait doubles up to here"
    )

    def check(self, *, unreliable: bool) -> None:
        if self.deadline is None and unreliable:
            what = "is missing, but faults or message_loss can stall a round"
            raise Refusal(what, "a duration, e.g. '2 min'", ("deadline",))
        if self.retry_cap < self.retry_initial:
            raise Refusal("is shorter than retry_initial", "at least as long", ("retry_cap",))

    def events(self, duration_s: float) -> float:
        return duration_s / self.deadline if self.deadline else 0.0

    def run(self, world: World) -> Running:
        return ServerRounds(self, world)


@dataclass(frozen=True)
class Order:
    """The server's message: train this global model. `attempt` numbers the server's tries."""

    attempt: int
    server_round: int
    model: ModelRef


@dataclass
class Round:
    """One try of a server round: who still owes an update, and the updates that came."""

    order: Order
    pending: dict[int, None]
    asked: int
    updates: dict[int, ModelRef] = field(default_factory=dict)


class ServerRounds(Running):
    """The server drives the rounds; clients train what they are sent."""

    def __init__(self, settings: FedAvg, world: World) -> None:
        super().__init__(world)
        assert world.server is not None
        self.settings = settings
        self.server = world.server
        # The global model in the server's memory; its storage holds the last checkpoint.
        self.global_model = self.server.storage.model
        self.server_round = 0
        self._received = [0] * len(world.clients)

    def behaviour(self, node: Node) -> Behaviour:
        return self._serve() if node is self.server else self._participate(node)

    # -- the server ----------------------------------------------------------------------------

    def _serve(self) -> Behaviour:
        self.global_model = self.server.storage.model
        self.server_round = self.server.storage.rounds
        while True:
            started_s = self.world.clock.now
            current = self._open_round()
            if not current.pending:
                yield self.world.membership
                continue
            yield from self._collect(current)
            outcome = "round_failed"
            if len(current.updates) >= math.ceil(self.settings.minimum_fraction * current.asked):
                yield from self._aggregate(current)
                outcome = "round"
            self.world.trace.record(
                started_s,
                self.server.name,
                outcome,
                duration_s=self.world.clock.now - started_s,
                round=current.order.server_round,
                asked=current.asked,
                updates=len(current.updates),
            )

    def _open_round(self) -> Round:
        attempt, self.server.attempts = self.server.attempts, self.server.attempts + 1
        order = Order(attempt, self.server_round, self.global_model)
        clients = self.world.clients
        wanted = max(1, round(self.settings.participation * len(clients)))
        luck = self.server.streams.stream("participation", attempt).random(len(clients))
        live = [node.index for node in clients if node.up]
        chosen = sorted(sorted(live, key=lambda index: luck[index])[:wanted])
        for index in chosen:
            self.server.spawn(self._push(clients[index], order))
        return Round(order, dict.fromkeys(chosen), len(chosen))

    def _push(self, client: Node, order: Order) -> Behaviour:
        for _ in range(1 + self.settings.retries):
            arrived = yield from self.server.deliver(
                client, self.world.model_bytes, order, self.settings.transfer_timeout
            )
            if arrived or self.server.attempts != order.attempt + 1:
                return

    def _collect(self, current: Round) -> Behaviour:
        """Wait until every asked client that stays up has reported, or for the deadline."""
        deadline: simpy.Event = self.world.clock.event()
        if self.settings.deadline is not None:
            deadline = self.world.clock.after(self.settings.deadline, Tie.TIMEOUT)
        while True:
            for transfer in self._taken():
                order, model = transfer.payload
                if order.attempt == current.order.attempt:
                    current.updates[transfer.source] = model
                    current.pending.pop(transfer.source, None)
            # A client that crashed has lost the model it was sent: nobody waits for it.
            for index in [i for i in current.pending if not self.world.clients[i].up]:
                del current.pending[index]
            if not current.pending or deadline.processed:
                return
            yield simpy.AnyOf(
                self.world.clock, (self.server.mail(), self.world.membership, deadline)
            )

    def _taken(self) -> list[Transfer]:
        taken, self.server.inbox = self.server.inbox, []
        return taken

    def _aggregate(self, current: Round) -> Behaviour:
        yield from self.server.compute(self.world.aggregation_s)
        self.global_model = self.world.averaged(current.updates)
        self.server_round += 1
        if self.server_round % self.world.checkpoint_every == 0:
            self.server.storage.model = self.global_model
            self.server.storage.rounds = self.server_round

    # -- a client ------------------------------------------------------------------------------

    def _participate(self, node: Node) -> Behaviour:
        last = -1
        while True:
            order = self._newest_order(node, last)
            if order is None:
                yield node.mail()
                continue
            last = order.attempt
            node.inbox.clear()
            node.storage.received = order.model
            self._received[node.index] = order.server_round
            update = yield from node.train(order.model)
            if update is not None:
                node.keep(update)
                yield from self._report(node, order, update)

    def _newest_order(self, node: Node, last: int) -> Order | None:
        orders = [transfer.payload for transfer in node.inbox if transfer.payload.attempt > last]
        return max(orders, key=lambda order: order.attempt, default=None)

    def _report(self, node: Node, order: Order, update: ModelRef) -> Behaviour:
        """Upload until the server has it, or has sent a newer order; back off in between."""
        wait_s = self.settings.retry_initial
        while self._newest_order(node, order.attempt) is None:
            arrived = yield from node.deliver(
                self.server, self.world.model_bytes, (order, update), self.settings.transfer_timeout
            )
            if arrived or self._newest_order(node, order.attempt) is not None:
                return
            backed_off = self.world.clock.after(wait_s, Tie.TIMEOUT)
            yield simpy.AnyOf(self.world.clock, (node.mail(), backed_off))
            wait_s = min(2 * wait_s, self.settings.retry_cap)

    # -- what the observer asks ----------------------------------------------------------------

    def staleness(self) -> list[float]:
        """Server rounds that were finished since each client's last global model."""
        return [float(max(0, self.server_round - received)) for received in self._received]

    def seen(self) -> Iterator[Seen]:
        """See Running; last the global model, whose rounds are the server's."""
        yield from super().seen()
        name, rounds = self.server.name, self.server_round
        yield Seen(name, RECEIVED, self.global_model, rounds, rounds, 0.0, self.server.up)
