"""What clients do under a server, whatever it does with their updates.

A client trains the model that it was sent last, and reports until that is there; a server has a
global model, which its storage keeps from checkpoint to checkpoint.
"""

from abc import abstractmethod
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import simpy
from pydantic import Field

from sim.compute import ModelRef
from sim.protocols.protocol import Fastest, Protocol, Running, Seen
from sim.record.errors import Refusal, check_least
from sim.record.rows import RECEIVED, SERVER
from sim.record.settings import PositiveSeconds, brief_waits
from sim.world import Behaviour, LossCause, Node, Tie, Transfer, World

Ints = npt.NDArray[np.int64]


class ServerProtocol(Protocol):
    """The settings of a protocol whose clients train what a server sends them."""

    needs_server: ClassVar[bool] = True
    vectors_sent: ClassVar[int] = 1
    """How many vectors of a model's size an order carries, and so an update."""

    deadline: PositiveSeconds | None = Field(
        default=None,
        description="how long the server waits for the answer to an order; required with faults "
        "or loss",
    )
    transfer_timeout: PositiveSeconds | None = Field(
        default=None,
        description="longest time for one transfer, however it goes on; none if left out",
    )
    retry_initial: PositiveSeconds = Field(
        default=1.0, description="a client's first wait before it reports again"
    )
    retry_cap: PositiveSeconds = Field(
        default=30.0, description="its longest wait; each wait doubles up to here"
    )

    def check(self, *, unreliable: bool) -> None:
        if self.deadline is None and unreliable:
            what = "is missing, but faults or loss can stall a round"
            raise Refusal(what, "a duration, e.g. '2 min'", ("deadline",))
        if self.retry_cap < self.retry_initial:
            raise Refusal("is shorter than retry_initial", "at least as long", ("retry_cap",))

    def check_times(self, fastest: Fastest) -> None:
        fastest = replace(fastest, model_bytes=self.vectors_sent * fastest.model_bytes)
        if self.deadline is not None:
            what = "is shorter than any client's way from order to update"
            check_least(self.deadline, fastest.server_round_s, what, "deadline")
        if self.transfer_timeout is not None:
            what = "is shorter than any transfer: no model would ever arrive"
            check_least(self.transfer_timeout, fastest.transfer_s, what, "transfer_timeout")

    def events(self, duration_s: float) -> float:
        rounds = duration_s / self.deadline if self.deadline else 0.0
        return rounds + brief_waits(self.retry_cap, duration_s)


TERM = 1 << 32
"""Orders of later terms have higher numbers: there is room for so many in one."""


@dataclass(frozen=True)
class Order:
    """A server's message: train this global model. `attempt` numbers the orders of all servers."""

    attempt: int
    server_round: int
    model: ModelRef

    @property
    def term(self) -> int:
        """In which of the terms of several servers it was given; 0 if there is but one."""
        return self.attempt // TERM


@dataclass(frozen=True)
class Report:
    """A client's answer to an order: its local round failed, unless it is an update."""

    order: Order


@dataclass(frozen=True)
class Update(Report):
    """What a client has trained as it was ordered to."""

    model: ModelRef


class Clients(Running):
    """Clients under a server, whatever that does, and whichever it is."""

    def __init__(self, settings: ServerProtocol, world: World) -> None:
        super().__init__(world)
        self.settings = settings
        self.message_bytes = settings.vectors_sent * world.model_bytes
        # In which incarnation of its storage a client received which round's model.
        self._received = [(0, 0)] * len(world.clients)

    @abstractmethod
    def server_of(self, node: Node) -> Node:
        """To whom a client reports."""

    @abstractmethod
    def held(self) -> tuple[ModelRef, int, bool]:
        """The global model that there is, its round, and whether a server works on it."""

    def round_finished(self, server: Node) -> None:
        """That server has made the next global model."""

    def order_arrives(self, transfer: Transfer) -> None:
        """The client has the model, whole, whatever it is doing."""
        node, order = self.world.clients[transfer.target], transfer.payload
        node.storage.received = order.model
        self._received[node.index] = (node.storage.incarnation, order.server_round)
        node.receive(transfer)

    def participate(self, node: Node) -> Behaviour:
        yield from self._report(node)
        last = -1
        while True:
            order = self._newest_order(node, last)
            if order is None:
                yield node.mail()
                continue
            last = order.attempt
            node.inbox.clear()
            report = yield from self.local_round(node, order)
            if isinstance(report, Update):
                node.storage.unreported = report
                yield from self._report(node)
            else:
                self._report_failure(node, report)

    def local_round(self, node: Node, order: Order) -> Generator[simpy.Event, Any, Report]:
        """A client's answer to an order; what it has trained is in stable storage by then."""
        model = yield from node.train(order.model)
        if model is None:
            return Report(order)
        node.keep(model)
        return Update(order, model)

    def _newest_order(self, node: Node, last: int) -> Order | None:
        orders = [transfer.payload for transfer in node.inbox if transfer.payload.attempt > last]
        return max(orders, key=lambda order: order.attempt, default=None)

    def _report_failure(self, node: Node, report: Report) -> None:
        """A client whose local round failed is alive, and says so, unless nobody would hear it."""
        server = self.server_of(node)
        if not self.suspects(node, server.index):
            self.world.network.send(
                node.index,
                server.index,
                payload=report,
                delivered=server.receive,
                purpose="report",
            )

    def _report(self, node: Node) -> Behaviour:
        """Upload what is finished until the server has it; back off in between.

        A newer order ends it where late updates count for nothing.
        """
        wait_s = self.settings.retry_initial
        while node.storage.unreported is not None and not self.is_pointless(node):
            if (yield from self._uploaded(node)):
                break
            if not self.is_pointless(node):
                backed_off = self.world.clock.after(wait_s, Tie.TIMEOUT)
                server = self.server_of(node).index
                yield from self.until_news(node, [server], node.mail(), backed_off)
                wait_s = min(2 * wait_s, self.settings.retry_cap)
        node.storage.unreported = None

    def is_pointless(self, node: Node) -> bool:
        """Whether what a client has finished and not reported counts for nothing any longer."""
        update: Update = node.storage.unreported
        newer = self._newest_order(node, update.order.attempt)
        return newer is not None and not self.settings.late_updates_count

    def _uploaded(self, node: Node) -> Generator[simpy.Event, Any, bool]:
        """One try: ends when it has arrived, can't, or needn't any longer."""
        server, started_s = self.server_of(node), node.clock.now
        if self.suspects(node, server.index):
            return False
        cap = self.timeout(self.settings.transfer_timeout)
        upload = node.offer(server, self.message_bytes, node.storage.unreported, purpose="update")
        while True:
            yield from self.until_news(node, [server.index], upload.settled, node.mail(), cap)
            if upload.settled.triggered:
                return bool(upload.settled.value)
            lost = self.lost(node, server.index, started_s)
            deposed = self.server_of(node) is not server
            if lost or deposed or cap.processed or self.is_pointless(node):
                cause: LossCause = "timeout" if cap.processed else "abandoned"
                self.world.network.cancel(upload, cause)
                return False

    # -- what the observer asks ----------------------------------------------------------------

    def staleness(self) -> list[float]:
        """Server rounds that were finished since each client's last global model."""
        _, finished, _ = self.held()
        return [
            float(max(0, finished - (number if incarnation == node.storage.incarnation else 0)))
            for node, (incarnation, number) in zip(self.world.clients, self._received, strict=True)
        ]

    def seen(self) -> Iterator[Seen]:
        """See Running; last the global model, whose rounds are the server's."""
        yield from super().seen()
        model, rounds, up = self.held()
        yield Seen(SERVER, RECEIVED, model, rounds, rounds, 0.0, up)


class Participants(Clients):
    """One server and its clients; what the server does is `serve`.

    `global_model`, `server_round`: in the server's memory; its storage holds the last checkpoint.
    `term`: which the server leads in, where others may. `clients`: those of all servers, if there
    are several.
    """

    def __init__(
        self,
        settings: ServerProtocol,
        world: World,
        server: Node | None = None,
        clients: Clients | None = None,
    ) -> None:
        super().__init__(settings, world)
        self.server = server or world.servers[0]
        self.clients = clients or self
        self.term = 0
        self.everyone = np.arange(len(world.clients))
        self.global_model = self.server.storage.model
        self.server_round = 0
        # Up to which attempt each client's updates have come: in the server's memory, too.
        self._come: dict[int, int] = {}

    def behaviour(self, node: Node) -> Behaviour:
        return self.lead() if node is self.server else self.participate(node)

    @abstractmethod
    def serve(self) -> Behaviour:
        """What the server does from its start on, when it has read its last checkpoint."""

    def lead(self) -> Behaviour:
        """What the server does where nobody else leads."""
        self.restore()
        yield from self.serve()

    def restore(self) -> None:
        """Let the server go on from its last checkpoint."""
        storage = self.server.storage
        self.global_model, self.server_round = storage.model, storage.rounds
        # What is in the model must not go into it again, and what was lost since may.
        self._come = dict(storage.notes.get("come", {}))

    def checkpoint(self) -> None:
        """Keep in stable storage what `restore` reads."""
        storage = self.server.storage
        storage.model, storage.rounds = self.global_model, self.server_round
        storage.notes["come"] = dict(self._come)

    def members(self) -> Ints:
        """The clients that the server knows to be there or down, not gone [n]."""
        return self.everyone[self.world.network.members(self.server.index, self.everyone)]

    def next_order(self) -> Order:
        """Train the global model; each order has a number of its own."""
        return Order(self.next_attempt(), self.server_round, self.global_model)

    def next_attempt(self) -> int:
        """The number of the server's next order; it goes on through crashes."""
        self.server.attempts += 1
        return self.term * TERM + self.server.attempts - 1

    def send_order(
        self, client: int, order: Order, failed: Callable[[Transfer], object]
    ) -> Transfer:
        """Let a client train; `failed` runs when the server knows that the order won't arrive."""
        return self.world.network.send(
            self.server.index,
            client,
            self.message_bytes,
            order,
            delivered=self.clients.order_arrives,
            failed=failed,
            purpose="order",
        )

    def reports(self) -> Iterator[tuple[int, Report]]:
        """Open the server's mail: (client, report), each finished update once."""
        taken, self.server.inbox = self.server.inbox, []
        for transfer in taken:
            client, report = transfer.source, transfer.payload
            if isinstance(report, Update):
                # Who crashed before it heard that its update is there sends it again.
                if report.order.attempt <= self._come.get(client, -1):
                    continue
                self._come[client] = report.order.attempt
            yield client, report

    def finish_round(self, model: ModelRef) -> None:
        """The server has its next global model, and keeps it if it is time to."""
        self.global_model = model
        self.server_round += 1
        if self.server_round % self.world.checkpoint_every == 0:
            self.checkpoint()
        self.clients.round_finished(self.server)

    # -- what clients and the observer ask -------------------------------------------------------

    def server_of(self, node: Node) -> Node:
        return self.server

    def held(self) -> tuple[ModelRef, int, bool]:
        """See Clients: a crash leaves the last checkpoint."""
        if self.server.up:
            return self.global_model, self.server_round, True
        return self.server.storage.model, self.server.storage.rounds, False
