"""Gossip learning: each client pushes its model to random peers; who gets one merges and trains.

Ormándi, Hegedűs, Jelasity, "Gossip learning with linear models on fully distributed data",
Concurrency and Computation 25(4), 2013, arXiv 1109.1396, algorithms 1 and 2. Ages as weights:
Hegedűs, Danner, Jelasity, "Gossip Learning as a Decentralized Alternative to Federated Learning",
DAIS 2019, doi 10.1007/978-3-030-22496-7_5.
"""

import itertools
import math
from collections.abc import Generator, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
import simpy
from pydantic import Field

from sim.compute import ModelRef
from sim.protocols.protocol import KIND, Fastest, Running
from sim.protocols.shared.peers import OverTopology, Peers
from sim.protocols.shared.pushing import Outbox
from sim.record.errors import check_least
from sim.record.settings import PositiveSeconds
from sim.world import Behaviour, Node, Tie, Transfer, World

AGE = "age"
"""In stable storage: the age of the newest model there."""


class Gossip(OverTopology):
    """Serverless: clients push their models to random peers; who gets one merges it and trains.

    Source: Ormándi et al. 2013, arXiv 1109.1396.
    """

    kind: Literal["gossip"] = Field(default="gossip", description=KIND)
    period: PositiveSeconds = Field(description="time between two pushes of a client")
    weights: Literal["age", "equal", "samples"] = Field(
        default="age",
        description="what a model weighs in a merge: the optimiser steps that are behind it, as "
        "much as each other, or its sender's sample size",
    )
    order: Literal["merge_then_train", "train_then_merge"] = Field(
        default="merge_then_train", description="what a client does when a model has come"
    )
    exchange: Literal["push", "push_pull"] = Field(
        default="push", description="whether who gets a push answers it with its own model"
    )

    def check_times(self, fastest: Fastest) -> None:
        what = "is shorter than any transfer: pushes would pile up"
        check_least(self.period, fastest.transfer_s, what, "period")

    def events(self, duration_s: float) -> float:
        return duration_s / self.period

    def run(self, world: World) -> Running:
        return Gossiping(self, world)


class Push(NamedTuple):
    """A client's newest model. `age`: optimiser steps, on the way with the most of them.

    `version`: the sender's, when it sent it.
    """

    model: ModelRef
    age: int
    version: int


class Gossiping(Peers):
    """Clients that train the initial model, and then only merges of what has come."""

    carried = (AGE,)

    def __init__(self, settings: Gossip, world: World) -> None:
        super().__init__(settings, world)
        self.settings = settings
        self._answers: dict[int, Outbox] = {}

    def behaviour(self, node: Node) -> Behaviour:
        self._answers[node.index] = Outbox(self, node, 1)
        node.spawn(self._pushes(node))
        yield from self.catch_up(node)
        merges_first = self.settings.order == "merge_then_train"
        act = self._merge_then_train if merges_first else self._train_then_merge
        while True:
            while node.storage.rounds and not node.inbox:
                yield node.mail()
            yield from act(node)

    # -- pushing -------------------------------------------------------------------------------

    def _pushes(self, node: Node) -> Behaviour:
        """One a period, at a phase of the client's own, which its crashes don't shift."""
        clock, period_s, outbox = node.clock, self.settings.period, Outbox(self, node, 1)
        phase_s = period_s * float(node.streams.uniforms("push_phase", node.index)[0])
        answer = self._answer if self.settings.exchange == "push_pull" else None
        for number in itertools.count(math.ceil((clock.now - phase_s) / period_s)):
            yield clock.at(max(clock.now, phase_s + number * period_s), Tie.TIMEOUT)
            if node.storage.rounds:  # Who has never trained has nothing to give.
                outbox.push(outbox.drawn("push_to", number), _newest(node), answer)

    def _answer(self, push: Transfer) -> None:
        """At the receiver, whatever it is doing: its own model goes back, if it has one."""
        node, answers = self.world.clients[push.target], self._answers[push.target]
        if node.storage.rounds:
            answers.push(answers.first(np.array([push.source])), _newest(node))
        self.push_arrives(push)

    # -- learning ------------------------------------------------------------------------------

    def _merge_then_train(self, node: Node) -> Behaviour:
        taken = len(node.inbox) if node.storage.rounds else 0
        pushes: dict[int, Push] = {each.source: each.payload for each in node.inbox[:taken]}
        age = yield from self._merged(node, pushes)
        model = yield from node.train(node.storage.received if pushes else node.storage.newest)
        if model is not None:  # After a dropout what has come is still there to be merged.
            del node.inbox[:taken]
            node.keep(model)
            self._settle(node, pushes, age + node.machine.steps)

    def _train_then_merge(self, node: Node) -> Behaviour:
        model = yield from node.train(node.storage.newest)
        if model is not None:
            node.keep(model)
            self._settle(node, {}, node.storage.notes.get(AGE, 0) + node.machine.steps)
            pushes: dict[int, Push] = {each.source: each.payload for each in node.inbox}
            node.inbox.clear()
            age = yield from self._merged(node, pushes)
            node.storage.is_merge_newer = bool(pushes)
            self._settle(node, pushes, age)

    def _merged(self, node: Node, pushes: Mapping[int, Push]) -> Generator[simpy.Event, Any, int]:
        """Merge all that has come at once, of each peer the last; the age of the oldest."""
        ages = {peer: push.age for peer, push in pushes.items()}
        ages[node.index] = node.storage.notes.get(AGE, 0)
        if pushes:
            weights = {"age": ages, "equal": dict.fromkeys(ages, 1)}.get(self.settings.weights)
            models = {peer: push.model for peer, push in pushes.items()}
            yield from self.merge(node, models, weights)
        return max(ages.values())

    def _settle(self, node: Node, pushes: Mapping[int, Push], age: int) -> None:
        """What the newest model has merged, and its age, are in stable storage with it."""
        self.count(node, {peer: push.version for peer, push in pushes.items()})
        node.storage.notes[AGE] = age


def _newest(node: Node) -> Push:
    return Push(node.storage.newest, node.storage.notes[AGE], node.version)
