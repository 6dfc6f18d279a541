"""What servers without rounds share: clients are always at work, updates are taken as they come.

Who has answered, or is waited for no longer, leaves its place to another client. An update may have
been trained from a model that others have changed since, and counts for less then.
"""

import itertools
from abc import abstractmethod
from collections.abc import Iterable
from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from sim.compute import Lineage, ModelRef
from sim.protocols.shared.participants import Ints, Participants, Update
from sim.protocols.shared.standby import StandbyProtocol
from sim.record.settings import AllOrCount, OneOf, Positive, Settings
from sim.world import Behaviour, Transfer

KIND = "how the weight depends on staleness"


class StalenessWeight(Settings):
    """How much an update counts by its staleness.

    That is the number of server rounds finished since the model that it was trained from: 0 if
    there were none.
    """

    kind: str

    @abstractmethod
    def of(self, staleness: int) -> float:
        """The weight, 1 for what is fresh and never more."""


class Constant(StalenessWeight):
    """All count alike."""

    kind: Literal["constant"] = Field(description=KIND)

    def of(self, staleness: int) -> float:
        return 1.0


class Polynomial(StalenessWeight):
    """(1 + staleness) ^ -power."""

    kind: Literal["polynomial"] = Field(default="polynomial", description=KIND)
    power: Positive = Field(default=0.5, description="the larger, the less a stale update counts")

    def of(self, staleness: int) -> float:
        return float((1 + staleness) ** -self.power)


class Hinge(StalenessWeight):
    """1 up to a staleness, from there on 1 / (slope x (staleness - after) + 1)."""

    kind: Literal["hinge"] = Field(description=KIND)
    after: Annotated[int, Field(ge=0)] = Field(
        default=4, description="staleness up to which an update counts in full"
    )
    slope: Positive = Field(default=10.0, description="how fast the weight falls from there on")

    def of(self, staleness: int) -> float:
        return 1 / (self.slope * max(0, staleness - self.after) + 1)


STALENESS_WEIGHTS: dict[str, type[StalenessWeight]] = {
    "constant": Constant,
    "polynomial": Polynomial,
    "hinge": Hinge,
}
"""Of Xie et al., "Asynchronous Federated Optimization", 2019, arXiv 1903.03934, section 5.2."""


class AsynchronousProtocol(StandbyProtocol):
    """The settings of a protocol whose server takes each update when it comes."""

    concurrency: AllOrCount = Field(
        default="all", description="how many clients are at work at any time, at most"
    )
    staleness_weight: Annotated[StalenessWeight, OneOf(STALENESS_WEIGHTS)] = Field(
        default=Polynomial(), description="how much an update counts by its staleness"
    )

    @property
    def late_updates_count(self) -> bool:
        return True


class AsynchronousServer(Participants):
    """The server keeps clients at work; what it does with an update is `take`."""

    settings: AsynchronousProtocol

    def restore(self) -> None:
        super().restore()
        # In the server's memory, by client: the orders that it awaits the answers to.
        self._awaited: dict[int, Transfer] = {}
        self._idle = dict.fromkeys(range(len(self.everyone)))
        self._model_since_s = self.world.clock.now

    @abstractmethod
    def take(self, client: int, update: Update) -> Behaviour:
        """Let an update change the global model, now or with others."""

    def serve(self) -> Behaviour:
        clock, detector, server = self.world.clock, self.world.detector, self.server
        # The server hears from thousands all the time; only news makes it look at any of them.
        watch = detector.watch(server.index, self.everyone)
        try:
            while True:
                self._employ()
                if not server.inbox:
                    yield clock.first_of(watch.news, server.mail())
                if watch.news.triggered:
                    self._forget_lost(watch.told)
                    watch.again()
                yield from self._open_mail()
        finally:
            watch.end()

    def _open_mail(self) -> Behaviour:
        for client, report in self.reports():
            order = self._awaited.get(client)
            if order is not None and order.payload is report.order:
                self._release(client)
            if isinstance(report, Update):
                yield from self.take(client, report)
            self._employ()

    def weight(self, update: Update) -> float:
        """How much an update counts, by the server rounds since the model it was trained from."""
        # A crash may have undone the round of that model.
        staleness = max(0, self.server_round - update.order.server_round)
        return self.settings.staleness_weight.of(staleness)

    def step(self, model: ModelRef, clients: Iterable[int]) -> None:
        """The next global model is there; `clients`: whose updates went in since the one before."""
        now, names = self.world.clock.now, tuple(self.world.clients[i].name for i in clients)
        self.world.trace.record(
            self._model_since_s,
            self.server.name,
            "round",
            duration_s=now - self._model_since_s,
            round=self.server_round,
            peers=names,
            updates=len(names),
        )
        self._model_since_s = now
        self.finish_round(model)

    # -- who is at work ------------------------------------------------------------------------

    def _employ(self) -> None:
        """Fill the free places with clients that are neither at work nor suspected, by lot."""
        most = self.settings.concurrency
        places = len(self.everyone) if isinstance(most, str) else min(most, len(self.everyone))
        if free := places - len(self._awaited):
            for client in self._drawn(free):
                self._order(client)

    def _drawn(self, number: int) -> list[int]:
        """So many of those who have nothing to do, or all; ascending."""
        if number >= len(self._idle):
            return self._live(sorted(self._idle))
        found: list[int] = []
        draw = "next_client", self.server.attempts
        for some in self.server.streams.shuffled(len(self.everyone), *draw):
            found += self._live([client for client in some.tolist() if client in self._idle])
            if len(found) >= number:
                break
        return sorted(found[:number])

    def _live(self, clients: list[int]) -> list[int]:
        """Those whom the server doesn't suspect."""
        suspected = self.world.detector.suspects(self.server.index, np.array(clients, np.int64))
        return [*itertools.compress(clients, ~suspected)]

    def _order(self, client: int) -> None:
        order = self.send_order(client, self.next_order(), self._give_up)
        self._awaited[client] = order
        del self._idle[client]
        cap = self.timeout(self.settings.transfer_timeout)
        cap.callbacks.append(lambda _: self._cut_short(order))
        deadline = self.timeout(self.settings.deadline)
        deadline.callbacks.append(lambda _: self._give_up(order))

    def _release(self, client: int) -> None:
        """The client has nothing to do any longer, as far as is known."""
        del self._awaited[client]
        self._idle[client] = None

    def _cut_short(self, order: Transfer) -> None:
        if self.world.network.cancel(order, "timeout"):
            self._give_up(order)

    def _forget_lost(self, changed: Ints) -> None:
        """Who has crashed has lost the model that it was sent: nobody waits for it.

        `changed` [n]: of whom there was news.
        """
        awaited = {one: self._awaited[one] for one in changed.tolist() if one in self._awaited}
        clients = np.fromiter(awaited, np.int64, len(awaited))
        since_s = np.array([order.start_s for order in awaited.values()])
        lost = self.world.detector.lost(self.server.index, clients, since_s)
        for client in clients[lost].tolist():
            self._give_up(self._awaited[client])

    def _give_up(self, order: Transfer) -> None:
        """Await no answer to an order any longer; an update that comes all the same counts."""
        if self._awaited.get(order.target) is order:
            self._release(order.target)
            self.world.network.cancel(order)
            self.server.nudge()


def combined(lineage: Lineage, terms: Iterable[tuple[ModelRef, float]]) -> ModelRef:
    """The sum of models by weights that sum to 1; equal ones are one term, one alone is itself."""
    weights: dict[ModelRef, float] = {}
    for model, weight in terms:
        weights[model] = weights.get(model, 0.0) + weight
    # What cancels may leave a rounding error.
    weights = {model: weight for model, weight in weights.items() if abs(weight) > 1e-12}
    if len(weights) == 1:
        return next(iter(weights))
    return lineage.combined(tuple(weights), tuple(weights.values()))
