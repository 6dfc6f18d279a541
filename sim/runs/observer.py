"""The observer: looks at every node's current model at fixed times, at no virtual cost."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import simpy

from models.settings import LOWER_IS_BETTER, TEST, seen_from
from sim.compute import ModelRef
from sim.protocols import RunningProtocol
from sim.protocols.fedavg import FedAvg
from sim.record.rows import AGGREGATE, POOLED, ScoreRow
from sim.scenario.sections import StopSettings
from sim.world.clock import Tie
from sim.world.node import INCARNATION, Behaviour, Node
from sim.world.world import World

Scores = Mapping[str, float]


class Look(NamedTuple):
    """One model at one time; its scores come when the real work is done."""

    time_s: float
    node: str
    local_round: int
    version: int
    staleness: float
    up: bool
    site: int | None
    scores: asyncio.Future[dict[str, float]]


class Observer:
    """Sees every node, dead ones too, at 0, at each `every_s`, and at `end_s`.

    `last`: the data set of the last look, which may have metrics that take long.
    """

    def __init__(
        self,
        world: World,
        running: RunningProtocol,
        every_s: float,
        end_s: float,
        stop_when: StopSettings | None,
        last: str = TEST,
    ) -> None:
        self._world = world
        self._running = running
        self._every_s = every_s
        self._end_s = end_s
        self._stop_when = stop_when
        self._last = last
        self.looks: list[Look] = []
        self._latest: dict[str, ModelRef] = {}
        world.clock.process(self._watch())

    def _watch(self) -> Behaviour:
        clock, number = self._world.clock, 0
        while True:
            yield clock.at(min(number * self._every_s, self._end_s), Tie.OBSERVER)
            ended = clock.now >= self._end_s
            seen = self._look(self._last if ended else TEST)
            if self._stop_when is not None and (yield from self._reached(seen, self._stop_when)):
                if not ended:
                    del self.looks[-len(seen) :]
                    self._look(self._last)
                clock.stop()
                return
            if ended:
                return
            number += 1

    def final(self) -> list[tuple[Look, ModelRef]]:
        """Every node's model at the latest look."""
        # That look alone holds its models: those of all would never leave the store.
        looks = self.looks[-len(self._latest) :]
        return [(look, self._latest[look.node]) for look in looks]

    def _look(self, dataset: str) -> list[Look]:
        world = self._world
        staleness = self._running.staleness()
        clients = [
            self._seen(node, node.storage.model, lag, dataset)._replace(site=self._site(node))
            for node, lag in zip(world.clients, staleness, strict=True)
        ]
        models = {node.index: node.storage.model for node in world.clients}
        rounds = [look.local_round for look in clients]
        aggregate = Look(
            world.clock.now,
            AGGREGATE,
            sum(rounds),
            sum(look.version for look in clients),
            sum(look.staleness for look in clients) / len(clients),
            any(look.up for look in clients),
            None,
            self._demanded(AGGREGATE, world.averaged(models), dataset),
        )
        seen = [*clients, aggregate]
        if isinstance(self._running, FedAvg):
            server, protocol = self._running.server, self._running
            seen.append(
                self._seen(server, protocol.global_model, 0.0, dataset)._replace(
                    local_round=protocol.server_round, version=protocol.server_round
                )
            )
        self.looks += seen
        return seen

    def _site(self, node: Node) -> int | None:
        return None if node.name == POOLED else node.index

    def _demanded(
        self, node: str, model: ModelRef, dataset: str
    ) -> asyncio.Future[dict[str, float]]:
        graph = self._world.graph
        self._latest[node] = model
        # The clock stands still for a number that decides whether to stop.
        return graph.demand(graph.scores(model, dataset), urgent=self._stop_when is not None)

    def _seen(self, node: Node, model: ModelRef, staleness: float, dataset: str) -> Look:
        return Look(
            self._world.clock.now,
            node.name,
            node.storage.rounds,
            node.version % INCARNATION,
            staleness,
            node.up,
            None,
            self._demanded(node.name, model, dataset),
        )

    def _reached(self, seen: list[Look], goal: StopSettings) -> simpy.events.ProcessGenerator:
        """Whether the metric is reached: needs numbers, so virtual time waits for them."""
        values: list[Scores] = yield self._world.clock.number(
            asyncio.gather(*(look.scores for look in seen))
        )
        by_node = {look.node: each[goal.metric] for look, each in zip(seen, values, strict=True)}
        clients = [by_node[node.name] for node in self._world.clients]
        rising = goal.metric not in LOWER_IS_BETTER
        value = {
            "mean": sum(clients) / len(clients),
            "worst": min(clients) if rising else max(clients),
            "aggregate": by_node[AGGREGATE],
        }[goal.of]
        return value >= goal.value if rising else value <= goal.value


async def score_rows(looks: Sequence[Look], protocol: str, seed: int) -> list[ScoreRow]:
    """The score table of one run, once all real work is done. Raises ComputeError."""
    rows = []
    for look in looks:
        scores = await look.scores
        head = (protocol, seed, look.time_s, look.node, look.local_round, look.version)
        rows += [
            ScoreRow(*head, look.staleness, metric, value, look.up)
            for metric, value in seen_from(look.site, scores).items()
        ]
    return rows
