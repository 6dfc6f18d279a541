"""Federated averaging with a server, which can crash.

McMahan, Moore, Ramage, Hampson, Agüera y Arcas, "Communication-Efficient Learning of Deep Networks
from Decentralized Data", AISTATS 2017, arXiv 1602.05629, algorithm 1; the paper's "FLS". A round
that closes before all have reported is that of Bonawitz et al., "Towards Federated Learning at
Scale: System Design", MLSys 2019, arXiv 1902.01046.
"""

import math
from dataclasses import dataclass, field
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from sim.compute import ModelRef
from sim.protocols.protocol import KIND, Running
from sim.protocols.shared.participants import Ints, Order, Participants, Update
from sim.protocols.shared.server_optimizers import (
    SERVER_OPTIMIZERS,
    Average,
    Memory,
    ServerOptimizer,
)
from sim.protocols.shared.standby import StandbyProtocol
from sim.record.errors import Refusal
from sim.record.settings import OneOf, Share
from sim.world import Behaviour, Transfer, World


class RoundsProtocol(StandbyProtocol):
    """The settings of a protocol whose server works in rounds."""

    close_at: Share = Field(
        default=1.0, description="share of the updates at which a round closes before its deadline"
    )
    minimum_fraction: Share = Field(
        default=0.5, description="share of the updates without which a round starts again"
    )
    participation: Share = Field(
        default=1.0,
        description="share of the clients, as many as there are, selected for each server round",
    )
    late_updates: Literal["discard", "next_round"] = Field(
        default="discard", description="what becomes of an update whose round has closed"
    )
    server_optimizer: Annotated[ServerOptimizer, OneOf(SERVER_OPTIMIZERS)] = Field(
        default=Average(kind="average"),
        description="how the server steps towards the average of the updates",
    )

    @property
    def round_ends_s(self) -> float | None:
        return self.deadline

    @property
    def late_updates_count(self) -> bool:
        return self.late_updates == "next_round"

    def check(self, *, unreliable: bool) -> None:
        super().check(unreliable=unreliable)
        if self.close_at < self.minimum_fraction:
            what = "closes rounds with fewer updates than minimum_fraction asks for"
            raise Refusal(what, "at least minimum_fraction", ("close_at",))


class FedAvg(RoundsProtocol):
    """Server-based: the server sends a model out, clients train, it averages what returns.

    Source: McMahan et al. 2017, arXiv 1602.05629.
    """

    kind: Literal["fedavg"] = Field(default="fedavg", description=KIND)

    def run(self, world: World) -> Running:
        return self.led(world, ServerRounds)


@dataclass
class Round:
    """One try of a server round: who still owes an update, and the updates that came.

    `pushes`: of the model, by client. `gone`: who no longer owes one, since the server last heard
    who may have failed.
    """

    order: Order
    opened_s: float
    pending: dict[int, None]
    asked: int
    updates: dict[int, Update] = field(default_factory=dict)
    pushes: dict[int, Transfer] = field(default_factory=dict)
    gone: list[int] = field(default_factory=list)

    def let_go(self, client: int) -> None:
        """Wait for nothing of a client any longer."""
        if client in self.pending:
            del self.pending[client]
            self.gone.append(client)


class ServerRounds(Participants):
    """The server drives the rounds; clients train what they are sent.

    `memory`: the server optimiser's, in the server's memory and its checkpoint.
    """

    settings: RoundsProtocol
    memory: Memory

    def restore(self) -> None:
        super().restore()
        self.memory = self.server.storage.notes.get("server_optimizer", ())

    def checkpoint(self) -> None:
        super().checkpoint()
        self.server.storage.notes["server_optimizer"] = self.memory

    def serve(self) -> Behaviour:
        # In the server's memory: late updates that the next average takes.
        self._late: dict[int, Update] = {}
        while True:
            current = self._open_round()
            if not current.asked:
                yield from self.until_news(self.server, self.everyone.tolist())
                continue
            yield from self._collect(current)
            for push in current.pushes.values():
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
        order = self.next_order()
        wanted = max(1, round(self.settings.participation * len(self.members())))
        draw = self.server.streams.stream("participation", order.attempt)
        luck = draw.random(len(self.everyone))
        suspected = self.world.detector.suspects(self.server.index, self.everyone)
        live = self.everyone[~suspected]
        chosen = sorted(live[np.argsort(luck[live], kind="stable")][:wanted].tolist())
        current = Round(order, self.world.clock.now, dict.fromkeys(chosen), len(chosen))

        def failed(push: Transfer) -> None:
            current.let_go(push.target)
            self.server.nudge()

        current.pushes = {client: self.send_order(client, order, failed) for client in chosen}
        return current

    def _collect(self, current: Round) -> Behaviour:
        """Wait until enough have reported or nobody is left to, or for the deadline."""
        clock, detector = self.world.clock, self.world.detector
        deadline = self.timeout(self.settings.deadline)
        cap = self.timeout(self.settings.transfer_timeout)
        cap.callbacks.append(lambda _: self._cut_short(current))
        enough = self._share(self.settings.close_at, current)
        # The server hears from thousands all the time; only news makes it look at any of them.
        watch = detector.watch(self.server.index, current.pending)
        try:
            while True:
                self._take(current)
                if watch.news.triggered:
                    self._forget_lost(current, watch.told)
                    watch.again(current.gone)
                    current.gone.clear()
                if len(current.updates) >= enough or not current.pending or deadline.processed:
                    return
                yield clock.first_of(watch.news, self.server.mail(), deadline)
        finally:
            watch.end()

    def _forget_lost(self, current: Round, changed: Ints) -> None:
        """Who has crashed has lost the model that it was sent: nobody waits for it, or sends it.

        `changed` [n]: of whom there was news.
        """
        still = [client for client in changed.tolist() if client in current.pending]
        pending = np.array(still, dtype=np.int64)
        lost = self.world.detector.lost(self.server.index, pending, current.opened_s)
        for index in pending[lost].tolist():
            current.let_go(index)
            self.world.network.cancel(current.pushes[index], "abandoned")

    def _cut_short(self, current: Round) -> None:
        for client, push in current.pushes.items():
            if self.world.network.cancel(push, "timeout"):
                current.let_go(client)
        self.server.nudge()

    def _take(self, current: Round) -> None:
        """Open the mail: reports on this round, and on earlier ones."""
        for client, report in self.reports():
            in_time = report.order.attempt == current.order.attempt
            if in_time:
                current.let_go(client)
            if not isinstance(report, Update):
                continue
            if in_time:
                current.updates[client] = report
            else:
                self._take_late(client, report)

    def _take_late(self, client: int, update: Update) -> None:
        self.world.trace.record(
            self.world.clock.now,
            self.server.name,
            "update_late",
            peer=self.world.clients[client].name,
            round=update.order.server_round,
        )
        if self.settings.late_updates_count:
            self._late[client] = update

    def _aggregate(self, current: Round) -> Behaviour:
        updates, self._late = self._late | current.updates, {}
        yield from self.server.compute(self.world.aggregation_s * len(updates))
        self.take(updates)

    def take(self, updates: dict[int, Update]) -> None:
        """Let clients' updates make the next global model."""
        model, self.memory = self.settings.server_optimizer.step(
            self.world.lineage, self.global_model, self.mean(updates), self.memory
        )
        self.finish_round(model)

    def mean(self, updates: dict[int, Update]) -> ModelRef:
        """What clients' updates come to: their average by sample size."""
        return self.world.averaged({client: update.model for client, update in updates.items()})
