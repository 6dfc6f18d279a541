"""Swarm learning: no server; in every round another client averages what all have trained.

Warnat-Herresthal et al., "Swarm Learning for decentralized and confidential clinical machine
learning", Nature 594, 2021, doi 10.1038/s41586-021-03583-3. Systems that do it differ in what they
do when an aggregator is gone: `on_dead_aggregator`.
"""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from sim.compute import ModelRef
from sim.protocols.protocol import KIND, Fastest, Running
from sim.protocols.shared.rounds import HandingOn
from sim.protocols.shared.turns import Turn, Turns
from sim.record.errors import Refusal, check_least
from sim.record.settings import AllOrCount, PositiveSeconds
from sim.world import Behaviour, Node, World


class Swarm(HandingOn):
    """Serverless: clients train, one of them averages and sends out, then the next is chosen.

    Source: Warnat-Herresthal et al. 2021, doi 10.1038/s41586-021-03583-3.
    """

    kind: Literal["swarm"] = Field(default="swarm", description=KIND)
    next: Literal["random", "round_robin", "elected"] = Field(
        default="random",
        description="who aggregates the next round: drawn, in turn, or always the lowest number; "
        "the first of these whom the one before doesn't suspect",
    )
    minimum_peers: AllOrCount = Field(
        default="all",
        description="updates without which nothing is averaged; all: of whoever isn't suspected",
    )
    wait_after_minimum: PositiveSeconds = Field(
        default=10.0, description="how long to wait for more updates than minimum_peers"
    )
    on_dead_aggregator: Literal["elect", "block", "abort"] = Field(
        default="elect",
        description="survivors elect another, or wait until it is back, or end the job for good, "
        "as they then do when anyone doesn't acknowledge a model",
    )
    timeout: PositiveSeconds = Field(
        default=120.0,
        description="how long to wait for a round's model before asking whether its aggregator is "
        "still there, where the failure detector says nothing",
    )
    returns: bool = Field(
        default=True, description="whether a client that was suspected is sent models again"
    )

    @property
    def unused(self) -> dict[str, str]:
        is_idle = self.minimum_peers == "all"
        return {"wait_after_minimum": "minimum_peers: all waits for everybody"} if is_idle else {}

    def check_times(self, fastest: Fastest) -> None:
        super().check_times(fastest)
        clients = len(fastest.round_s)
        if self.minimum_peers != "all" and self.minimum_peers > clients:
            what = f"is more than the {clients} clients that there are: nothing would be averaged"
            raise Refusal(what, f"all, or up to {clients}", ("minimum_peers",))
        what = "is shorter than any transfer: all would ask before an average could be there"
        check_least(self.timeout, fastest.transfer_s, what, "timeout")

    def events(self, duration_s: float) -> float:
        return super().events(duration_s) + duration_s / self.timeout

    def run(self, world: World) -> Running:
        return Swarming(self, world)


class Swarming(Turns):
    """Each client trains, and aggregates while it is its turn."""

    def __init__(self, settings: Swarm, world: World) -> None:
        self.settings = settings
        super().__init__(
            world,
            settings.ack_timeout,
            retries=settings.on_dead_aggregator != "abort",
            returns=settings.returns,
        )

    def candidates(self, number: int) -> Sequence[int]:
        order = np.arange(len(self.world.clients))
        if self.settings.next == "random":
            order = self.world.streams.stream("aggregator", number).permutation(order)
        elif self.settings.next == "round_robin":
            order = np.roll(order, -number)
        candidates: list[int] = order.tolist()
        return candidates

    def behaviour(self, node: Node) -> Behaviour:
        yield from self.begin(node)
        while not self.turn(node).is_last:
            yield from self._go_on(node, self.turn(node))

    # -- a client ------------------------------------------------------------------------------

    def _go_on(self, node: Node, turn: Turn) -> Behaviour:
        """The next step of a round: train, hand in, wait for the average."""
        base, trained = node.storage.received, node.storage.unreported
        if trained is None or trained[0] is not base:
            model = yield from node.train(base)
            if model is not None:
                node.keep(model)
                node.storage.unreported = (base, model)
        elif self.handed_in[node.index] == turn:
            yield from self._await_average(node, turn)
        elif turn.aggregator == node.index:
            self.handed_in[node.index] = turn
            self.take(node, node.index, turn, trained[1])
        else:
            yield from self._hand_in(node, turn, trained[1])

    def _hand_in(self, node: Node, turn: Turn, update: ModelRef) -> Behaviour:
        is_over, peer = self.is_over(node, turn), turn.aggregator
        if (yield from self.handed(node, peer, (turn, update), self.update_arrives, is_over)):
            self.handed_in[node.index] = turn
        elif not is_over():
            yield from self._give_up(node, turn)

    def _await_average(self, node: Node, turn: Turn) -> Behaviour:
        """Wait until the turn is over, or its aggregator is found to be gone."""
        if turn.aggregator == node.index:
            yield node.mail()
            return
        started_s = node.clock.now
        timeout = self.timeout(self.settings.timeout)
        while self.handed_in[node.index] == turn == self.turn(node):
            if self.lost(node, turn.aggregator, started_s):
                yield from self._give_up(node, turn)
            elif timeout.processed:
                yield from self._ask(node, turn)
                return
            else:
                yield from self.until_news(node, [turn.aggregator], node.mail(), timeout)

    def _ask(self, node: Node, turn: Turn) -> Behaviour:
        """Ask whether the aggregator is there; it answers if it has gone on, or started anew."""
        asked = self.send_turn(node, turn.aggregator, acknowledge=True)
        is_over, within_s = self.is_over(node, turn), self.ack_timeout_s
        if not ((yield from self.acknowledged(node, asked, is_over, within_s)) or is_over()):
            yield from self._give_up(node, turn)

    def _give_up(self, node: Node, turn: Turn) -> Behaviour:
        """The aggregator is gone, as far as the node knows."""
        self.handed_in[node.index] = None
        self._miss(node, turn, turn.aggregator)
        if self.settings.on_dead_aggregator == "block" and self.turn(node) == turn:
            again = self.timeout(self.settings.ack_timeout)
            yield from self.until_news(node, [turn.aggregator], node.mail(), again)

    def _miss(self, node: Node, turn: Turn, peer: int) -> None:
        """A peer is gone, or doesn't acknowledge what the node sent.

        Who has left has not died: another is elected in its place, whatever the rule.
        """
        rule = "elect" if self.has_gone(node, peer) else self.settings.on_dead_aggregator
        if rule == "abort":
            name = self.world.clients[peer].name
            node.trace.record(node.clock.now, node.name, "abort", peer=name, round=turn.round)
            self.adopt(node, turn._replace(is_last=True))
        elif rule == "elect" and turn.aggregator == peer:
            self.adopt(node, self.elected(node, turn))
        else:
            return
        for other in self.company(node):
            self.send_turn(node, other)

    # -- the aggregator ------------------------------------------------------------------------

    def aggregate(self, node: Node, turn: Turn) -> Behaviour:
        """Collect, average and send out, unless another turn comes first."""
        least, is_over = self.settings.minimum_peers, self.is_over(node, turn)
        updates = self.came(node, turn)
        node.spawn(self._remind(node, turn))
        yield from self.collected(
            node,
            turn.members,
            updates,
            minimum=1 if isinstance(least, str) else least,
            enough=len(self.everyone),
            patience_s=None if isinstance(least, str) else self.settings.wait_after_minimum,
            is_pointless=is_over,
        )
        if is_over():
            return
        model = yield from self.average(node, dict(updates))
        # Who was given up too early may still be the first to have an average.
        now = self.turn(node)
        if now.round == turn.round and not now.is_last:
            turn, node.storage.received = self.following(node, now), model
            self.adopt(node, turn)
            for peer in self.peers(node).tolist():
                if self.returns or peer in turn.members:
                    node.spawn(self._pass_on(node, turn, model, peer))

    def _remind(self, node: Node, turn: Turn) -> Behaviour:
        """Tell of the turn whoever is back, and, now and then, of whom nothing has come."""
        is_over, company = self.is_over(node, turn), self.company(node)
        again = self.timeout(self.settings.timeout)
        while True:
            others = np.delete(self.everyone, node.index).tolist()
            yield from self.until_news(node, others, node.mail(), again)
            if is_over():
                return
            before, company = company, self.company(node)
            missing = [peer for peer in company if peer not in self.came(node, turn)]
            if again.processed:
                before, again = [], self.timeout(self.settings.timeout)
            for peer in missing:
                if peer not in before:
                    self.send_turn(node, peer)

    def _pass_on(self, node: Node, turn: Turn, model: ModelRef, peer: int) -> Behaviour:
        """Send a peer the new model; it has to say that it is there."""
        is_strict = self.settings.on_dead_aggregator == "abort"

        def is_over() -> bool:
            now = self.turn(node)  # Another of the same round may have been elected.
            return now.is_last or (now.round != turn.round and not is_strict)

        there = yield from self.handed(node, peer, (turn, model), self.model_arrives, is_over)
        if not there and not is_over() and (is_strict or self.turn(node) == turn):
            self._miss(node, self.turn(node), peer)
