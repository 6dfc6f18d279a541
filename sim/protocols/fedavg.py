"""Federated averaging with a server, which can crash.

McMahan, Moore, Ramage, Hampson, Agüera y Arcas, "Communication-Efficient Learning of Deep Networks
from Decentralized Data", AISTATS 2017, arXiv 1602.05629, algorithm 1; the paper's "FLS". A round
that closes before all have reported is that of Bonawitz et al., "Towards Federated Learning at
Scale: System Design", MLSys 2019, arXiv 1902.01046.
"""

import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import simpy
from pydantic import Field

from sim.compute import ModelRef
from sim.protocols.protocol import KIND, Fastest, Protocol, Running, Seen
from sim.record.errors import Refusal, check_least
from sim.record.rows import RECEIVED
from sim.record.settings import PositiveSeconds
from sim.world import Behaviour, LossCause, Node, Tie, Transfer, World

Share = Annotated[float, Field(gt=0, le=1)]


class FedAvg(Protocol):
    """Server-based: the server sends a model out, clients train, it averages what returns.

    Source: McMahan et al. 2017, arXiv 1602.05629.
    """

    needs_server: ClassVar[bool] = True

    kind: Literal["fedavg"] = Field(default="fedavg", description=KIND)
    deadline: PositiveSeconds | None = Field(
        default=None, description="when a server round closes; required with faults or loss"
    )
    close_at: Share = Field(
        default=1.0, description="share of the updates at which a round closes before its deadline"
    )
    minimum_fraction: Share = Field(
        default=0.5, description="share of the updates without which a round starts again"
    )
    participation: Share = Field(
        default=1.0, description="share of the clients selected for each server round"
    )
    late_updates: Literal["discard", "next_round"] = Field(
        default="discard", description="what becomes of an update whose round has closed"
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

    @property
    def round_ends_s(self) -> float | None:
        return self.deadline

    @property
    def late_updates_count(self) -> bool:
        return self.late_updates == "next_round"

    def check(self, *, unreliable: bool) -> None:
        if self.deadline is None and unreliable:
            what = "is missing, but faults or loss can stall a round"
            raise Refusal(what, "a duration, e.g. '2 min'", ("deadline",))
        if self.retry_cap < self.retry_initial:
            raise Refusal("is shorter than retry_initial", "at least as long", ("retry_cap",))
        if self.close_at < self.minimum_fraction:
            what = "closes rounds with fewer updates than minimum_fraction asks for"
            raise Refusal(what, "at least minimum_fraction", ("close_at",))

    def check_times(self, fastest: Fastest) -> None:
        if self.transfer_timeout is not None:
            what = "is shorter than any transfer: no model would ever arrive"
            check_least(self.transfer_timeout, fastest.transfer_s, what, "transfer_timeout")
        if self.deadline is not None:
            what = "is shorter than any client's way from order to update: every round would fail"
            check_least(self.deadline, fastest.server_round_s, what, "deadline")

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


@dataclass(frozen=True)
class Report:
    """A client's answer to an order: its update, or none where its local round failed."""

    order: Order
    update: ModelRef | None


@dataclass
class Round:
    """One try of a server round: who still owes an update, and the updates that came."""

    order: Order
    opened_s: float
    pending: dict[int, None]
    asked: int
    updates: dict[int, ModelRef] = field(default_factory=dict)
    under_way: list[Transfer] = field(default_factory=list)


class ServerRounds(Running):
    """The server drives the rounds; clients train what they are sent."""

    def __init__(self, settings: FedAvg, world: World) -> None:
        super().__init__(world)
        assert world.server is not None
        self.settings = settings
        self.server = world.server
        self._everyone = np.arange(len(world.clients))
        # The global model in the server's memory; its storage holds the last checkpoint.
        self.global_model = self.server.storage.model
        self.server_round = 0
        # In its memory, too: late updates that the next average takes, and up to which attempt
        # each client's updates have come.
        self._late: dict[int, ModelRef] = {}
        self._come: dict[int, int] = {}
        # In which incarnation of its storage a client received which round's model.
        self._received = [(0, 0)] * len(world.clients)

    def behaviour(self, node: Node) -> Behaviour:
        return self._serve() if node is self.server else self._participate(node)

    # -- the server ----------------------------------------------------------------------------

    def _serve(self) -> Behaviour:
        self.global_model = self.server.storage.model
        self.server_round = self.server.storage.rounds
        self._late, self._come = {}, {}
        while True:
            current = self._open_round()
            if not current.asked:
                yield from self.until_news(self.server, self._everyone.tolist())
                continue
            yield from self._collect(current)
            for push in current.under_way:
                self.world.network.cancel(push)
            outcome = "round_failed"
            if len(current.updates) >= self._share(self.settings.minimum_fraction, current):
                yield from self._aggregate(current)
                outcome = "round"
            self.world.trace.record(
                current.opened_s,
                self.server.name,
                outcome,
                duration_s=self.world.clock.now - current.opened_s,
                round=current.order.server_round,
                asked=current.asked,
                updates=len(current.updates),
            )

    def _share(self, share: float, current: Round) -> int:
        # 0.07 x 100 is a little more than 7.
        return math.ceil(round(share * current.asked, 9))

    def _open_round(self) -> Round:
        attempt, self.server.attempts = self.server.attempts, self.server.attempts + 1
        order = Order(attempt, self.server_round, self.global_model)
        clients = self.world.clients
        wanted = max(1, round(self.settings.participation * len(clients)))
        luck = self.server.streams.stream("participation", attempt).random(len(clients))
        suspected = self.world.detector.suspects(self.server.index, self._everyone)
        live = self._everyone[~suspected]
        chosen = sorted(live[np.argsort(luck[live], kind="stable")][:wanted].tolist())
        current = Round(order, self.world.clock.now, dict.fromkeys(chosen), len(chosen))

        def failed(push: Transfer) -> None:
            current.pending.pop(push.target, None)
            self.server.nudge()

        current.under_way = [
            self.world.network.send(
                self.server.index,
                index,
                self.world.model_bytes,
                order,
                delivered=self._order_arrives,
                failed=failed,
                purpose="order",
            )
            for index in chosen
        ]
        return current

    def _collect(self, current: Round) -> Behaviour:
        """Wait until enough have reported or nobody is left to, or for the deadline."""
        clock, detector = self.world.clock, self.world.detector
        deadline = clock.event()
        if self.settings.deadline is not None:
            deadline = clock.after(self.settings.deadline, Tie.TIMEOUT)
        cap = clock.event()
        if self.settings.transfer_timeout is not None:
            cap = clock.after(self.settings.transfer_timeout, Tie.TIMEOUT)
            cap.callbacks.append(lambda _: self._cut_short(current))
        enough = self._share(self.settings.close_at, current)
        # The server hears from thousands all the time; only news makes it look at all of them.
        watch = detector.watch(self.server.index, current.pending)
        try:
            while True:
                self._take(current)
                if watch.news.triggered:
                    self._forget_lost(current)
                    watch = detector.watch(self.server.index, current.pending)
                if len(current.updates) >= enough or not current.pending or deadline.processed:
                    return
                yield simpy.AnyOf(clock, (watch.news, self.server.mail(), deadline))
        finally:
            watch.end()

    def _forget_lost(self, current: Round) -> None:
        """Who has crashed has lost the model that it was sent: nobody waits for it."""
        pending = np.fromiter(current.pending, np.int64)
        lost = self.world.detector.lost(self.server.index, pending, current.opened_s)
        for index in pending[lost].tolist():
            del current.pending[index]

    def _cut_short(self, current: Round) -> None:
        for push in current.under_way:
            if self.world.network.cancel(push, "timeout"):
                current.pending.pop(push.target, None)
        self.server.nudge()

    def _take(self, current: Round) -> None:
        """Open the mail: reports on this round, and on earlier ones."""
        taken, self.server.inbox = self.server.inbox, []
        for transfer in taken:
            report: Report = transfer.payload
            client, attempt = transfer.source, report.order.attempt
            in_time = attempt == current.order.attempt
            if in_time:
                current.pending.pop(client, None)
            # Who crashed before it heard that its update is there sends it again.
            if report.update is None or attempt <= self._come.get(client, -1):
                continue
            self._come[client] = attempt
            if in_time:
                current.updates[client] = report.update
            else:
                self._take_late(client, report.order.server_round, report.update)

    def _take_late(self, client: int, server_round: int, update: ModelRef) -> None:
        self.world.trace.record(
            self.world.clock.now,
            self.server.name,
            "update_late",
            peer=self.world.clients[client].name,
            round=server_round,
        )
        if self.settings.late_updates_count:
            self._late[client] = update

    def _aggregate(self, current: Round) -> Behaviour:
        updates, self._late = self._late | current.updates, {}
        yield from self.server.compute(self.world.aggregation_s * len(updates))
        self.global_model = self.world.averaged(updates)
        self.server_round += 1
        if self.server_round % self.world.checkpoint_every == 0:
            self.server.storage.model = self.global_model
            self.server.storage.rounds = self.server_round

    # -- a client ------------------------------------------------------------------------------

    def _order_arrives(self, transfer: Transfer) -> None:
        """The client has the model, whole, whatever it is doing."""
        node, order = self.world.clients[transfer.target], transfer.payload
        node.storage.received = order.model
        self._received[node.index] = (node.storage.incarnation, order.server_round)
        node.receive(transfer)

    def _participate(self, node: Node) -> Behaviour:
        yield from self._report(node)
        last = -1
        while True:
            order = self._newest_order(node, last)
            if order is None:
                yield node.mail()
                continue
            last = order.attempt
            node.inbox.clear()
            update = yield from node.train(order.model)
            if update is None:
                self._report_failure(node, order)
            else:
                node.keep(update)
                node.storage.unreported = Report(order, update)
                yield from self._report(node)

    def _newest_order(self, node: Node, last: int) -> Order | None:
        orders = [transfer.payload for transfer in node.inbox if transfer.payload.attempt > last]
        return max(orders, key=lambda order: order.attempt, default=None)

    def _report_failure(self, node: Node, order: Order) -> None:
        """A client whose local round failed is alive, and says so."""
        self.world.network.send(
            node.index,
            self.server.index,
            payload=Report(order, None),
            delivered=self.server.receive,
            purpose="report",
        )

    def _report(self, node: Node) -> Behaviour:
        """Upload what is finished until the server has it; back off in between.

        A newer order ends it where late updates count for nothing.
        """
        wait_s = self.settings.retry_initial
        while node.storage.unreported is not None and not self._is_pointless(node):
            if (yield from self._uploaded(node)):
                break
            if not self._is_pointless(node):
                backed_off = self.world.clock.after(wait_s, Tie.TIMEOUT)
                yield from self.until_news(node, [self.server.index], node.mail(), backed_off)
                wait_s = min(2 * wait_s, self.settings.retry_cap)
        node.storage.unreported = None

    def _is_pointless(self, node: Node) -> bool:
        report: Report = node.storage.unreported
        newer = self._newest_order(node, report.order.attempt)
        return newer is not None and not self.settings.late_updates_count

    def _uploaded(self, node: Node) -> Generator[simpy.Event, Any, bool]:
        """One try: ends when it has arrived, can't, or needn't any longer."""
        clock, detector, server = self.world.clock, self.world.detector, self.server.index
        if detector.suspects(node.index, np.array([server]))[0]:
            return False
        cap = clock.event()
        if self.settings.transfer_timeout is not None:
            cap = clock.after(self.settings.transfer_timeout, Tie.TIMEOUT)
        started_s = clock.now
        upload = node.offer(
            self.server, self.world.model_bytes, node.storage.unreported, purpose="update"
        )
        while True:
            yield from self.until_news(node, [server], upload.settled, node.mail(), cap)
            if upload.settled.triggered:
                return bool(upload.settled.value)
            lost = detector.lost(node.index, np.array([server]), started_s)[0]
            if lost or cap.processed or self._is_pointless(node):
                cause: LossCause = "timeout" if cap.processed else "abandoned"
                self.world.network.cancel(upload, cause)
                return False

    # -- what the observer asks ----------------------------------------------------------------

    def staleness(self) -> list[float]:
        """Server rounds that were finished since each client's last global model."""
        _, finished = self._held()
        return [
            float(max(0, finished - (number if incarnation == node.storage.incarnation else 0)))
            for node, (incarnation, number) in zip(self.world.clients, self._received, strict=True)
        ]

    def _held(self) -> tuple[ModelRef, int]:
        """The global model that there is, and its round: a crash leaves the last checkpoint."""
        if self.server.up:
            return self.global_model, self.server_round
        return self.server.storage.model, self.server.storage.rounds

    def seen(self) -> Iterator[Seen]:
        """See Running; last the global model, whose rounds are the server's."""
        yield from super().seen()
        model, rounds = self._held()
        yield Seen(self.server.name, RECEIVED, model, rounds, rounds, 0.0, self.server.up)
