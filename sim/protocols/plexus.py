"""Plexus: no server; a sample of the clients trains, and the first of the next sample average.

De Vos, Dhasade, Kermarrec, Lavoie, Pouwelse, Sharma, "Decentralized Learning Made Practical with
Client Sampling", 2023, arXiv 2302.13837.
"""

import itertools
import math
from collections.abc import Generator, Iterator
from typing import Any, Literal, NamedTuple

import numpy as np
import simpy
from pydantic import Field

from sim.compute import ModelRef
from sim.protocols.protocol import KIND, Fastest, Protocol, Running
from sim.protocols.shared.rounds import Rounds
from sim.record.errors import Refusal, check_least
from sim.record.settings import Count, PositiveSeconds, Share, brief_waits
from sim.world import Behaviour, Node, Transfer, World


class Plexus(Protocol):
    """Serverless: in every round another sample trains; the next one's first clients average.

    Source: de Vos et al. 2023, arXiv 2302.13837.
    """

    kind: Literal["plexus"] = Field(default="plexus", description=KIND)
    sample: Count = Field(
        default=10, description="how many clients train in a round; all, if there are fewer"
    )
    aggregators: Count = Field(
        default=1, description="how many of the next sample average the updates of a round"
    )
    success_fraction: Share = Field(
        default=1.0, description="share of a sample's updates at which they are averaged"
    )
    ping_timeout: PositiveSeconds = Field(
        default=5.0, description="how long to wait for replies of who may be in a sample"
    )
    aggregation_timeout: PositiveSeconds = Field(
        default=300.0,
        description="how long an aggregator waits, from the first update on, before it averages "
        "what there is",
    )

    def check(self, *, unreliable: bool) -> None:
        if self.aggregators > self.sample:
            raise Refusal("is more than the sample", "at most sample", ("aggregators",))

    def check_times(self, fastest: Fastest) -> None:
        what = "is shorter than any round trip: no ping would ever be answered"
        check_least(self.ping_timeout, fastest.round_trip_s, what, "ping_timeout")

    def events(self, duration_s: float) -> float:
        return brief_waits(self.ping_timeout, duration_s)

    def run(self, world: World) -> Running:
        return Samples(self, world)


class Message(NamedTuple):
    """A model of a round: the average that is trained in it, or an update of it.

    `sample`: who trains in the round, and `since_s`, since when. Who joins later aggregates no
    updates of it: some would send theirs to the newcomer, others have sent them to the one before.
    """

    round: int
    model: ModelRef
    sample: tuple[int, ...]
    since_s: float


class Samples(Rounds):
    """Everybody knows in which order clients come into a round's sample, and pings who is there."""

    def __init__(self, settings: Plexus, world: World) -> None:
        super().__init__(world)
        self.settings = settings
        # In each client's memory: what it is to train, and the updates that came, by round.
        self._orders: list[Message | None] = [None for _ in world.clients]
        self._updates: list[dict[int, dict[int, ModelRef]]] = [{} for _ in world.clients]

    def order(self, number: int) -> Iterator[int]:
        """All clients, as they come into that round's sample."""
        blocks = self.world.streams.shuffled(len(self.world.clients), "sample", number)
        return itertools.chain.from_iterable(block.tolist() for block in blocks)

    def sampled(
        self, node: Node, number: int, size: int, since_s: float = math.inf
    ) -> Generator[simpy.Event, Any, tuple[int, ...]]:
        """The first of a round's order who answer the node's pings, or are the node itself.

        Of those alone who had joined at `since_s`.
        """
        found: list[int] = []
        joined_s = self.world.network.joined_s
        left = (each for each in self.order(number) if joined_s[each] <= since_s)
        while len(few := np.fromiter(itertools.islice(left, size - len(found)), np.int64)):
            others = few[few != node.index]
            others = others[~self.world.detector.suspects(node.index, others)]
            if len(others):
                ping = self.world.network.ping(node.index, others, self.settings.ping_timeout)
                yield ping.replied
                others = others[ping.answered]
            live = (node.index, *others.tolist())
            found += [each for each in few.tolist() if each in live]
            # Who answered an earlier ping may be believed to be gone by now.
            found = [each for each in found if each == node.index or not self.suspects(node, each)]
        return tuple(found)

    def behaviour(self, node: Node) -> Behaviour:
        self._orders[node.index], self._updates[node.index] = None, {}
        first = self._first()
        if node.attempts == 0 and node.index in first:
            self._orders[node.index] = Message(0, node.storage.received, first, node.clock.now)
        while True:
            order, self._orders[node.index] = self._orders[node.index], None
            if order is None:
                yield node.mail()
            else:
                yield from self._train(node, order)

    def _first(self) -> tuple[int, ...]:
        """The sample of the first round, of those with whom it begins."""
        starters = self.world.network.starters()
        founders = (each for each in self.order(0) if starters[each])
        return tuple(itertools.islice(founders, self.settings.sample))

    def _train(self, node: Node, order: Message) -> Behaviour:
        """Train, again if an attempt fails, and send the update to the next sample's first."""
        model = None
        while model is None and self._orders[node.index] is None:
            model = yield from node.train(order.model)
        if model is not None:
            node.keep(model)
            update = order._replace(model=model)
            number, size = order.round + 1, self.settings.aggregators
            for peer in (yield from self.sampled(node, number, size, order.since_s)):
                if peer == node.index:
                    self._take(node, peer, update)
                else:
                    self.send_model(node, peer, update, self._update_arrives)

    # -- an aggregator -------------------------------------------------------------------------

    def _update_arrives(self, transfer: Transfer) -> None:
        self._take(self.world.clients[transfer.target], transfer.source, transfer.payload)

    def _take(self, node: Node, source: int, update: Message) -> None:
        """An update is there; the first of a round whose average isn't makes an aggregator."""
        rounds = self._updates[node.index]
        if update.round not in rounds and update.round >= self.number(node):
            rounds[update.round] = {}
            node.spawn(self._aggregate(node, update, rounds[update.round]))
        if update.round in rounds:
            rounds[update.round][source] = update.model
            node.nudge()

    def _aggregate(self, node: Node, first: Message, updates: dict[int, ModelRef]) -> Behaviour:
        """Collect the updates of the first one's round, average, and send to the next sample."""
        # 0.07 x 100 is a little more than 7.
        enough = math.ceil(round(self.settings.success_fraction * len(first.sample), 9))
        yield from self.collected(
            node,
            first.sample,
            updates,
            minimum=1,
            enough=enough,
            patience_s=self.settings.aggregation_timeout,
            lost_since_s=node.clock.now,
        )
        model = yield from self.average(node, dict(updates))
        sample = yield from self.sampled(node, first.round + 1, self.settings.sample)
        average = Message(first.round + 1, model, sample, node.clock.now)
        self._accept(node, average)
        del self._updates[node.index][first.round]
        for peer in sample:
            if peer != node.index:
                self.send_model(node, peer, average, self._model_arrives)

    # -- one of a sample -----------------------------------------------------------------------

    def _model_arrives(self, transfer: Transfer) -> None:
        self._accept(self.world.clients[transfer.target], transfer.payload)

    def _accept(self, node: Node, message: Message) -> None:
        """A round's average is there; the first that comes is trained by who is in its sample."""
        if message.round > self.number(node):
            node.storage.received = message.model
            node.storage.notes["round"] = message.round
            if node.index in message.sample:
                self._orders[node.index] = message
            node.nudge()
