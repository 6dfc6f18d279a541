"""The observer: looks at every node's current model at fixed times, at no virtual cost."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import simpy

from sim.compute import ModelRef
from sim.protocols import Running, Seen
from sim.record.metrics import TEST, Better, LabelShares, seen_from
from sim.record.rows import AGGREGATE, RECEIVED, ScoreRow
from sim.scenario.sections import StopSettings
from sim.world import Behaviour, Tie, World


class Look(NamedTuple):
    """One model at one time; its scores come when the real work is done."""

    time_s: float
    node: str
    stage: str | None
    local_round: int
    version: int
    staleness: float
    up: bool
    site: int | None
    scores: asyncio.Future[dict[str, float]]


Looks = list[tuple[Look, ModelRef]]


class Observer:
    """Sees every node, dead ones too, at 0, at each `every_s`, and at `end_s`.

    `metrics`: the task's. `last`: the data set of the last look, which may have metrics that take
    long. `latest`: the latest look's models, which the store holds as long as they are here; those
    of all looks would never leave it.
    """

    def __init__(
        self,
        world: World,
        running: Running,
        every_s: float,
        end_s: float,
        stop_when: StopSettings | None,
        metrics: Mapping[str, Better],
        last: str = TEST,
    ) -> None:
        self._world = world
        self._running = running
        self._every_s = every_s
        self._end_s = end_s
        self._stop_when = stop_when
        self._metrics = metrics
        self._last = last
        self.looks: list[Look] = []
        self.latest: Looks = []
        world.clock.process(self._watch())

    def _watch(self) -> Behaviour:
        clock, number, stops = self._world.clock, 0, False
        while not stops:
            yield clock.at(min(number * self._every_s, self._end_s), Tie.OBSERVER)
            stops = clock.now >= self._end_s
            self.latest = self._seen(self._last if stops else TEST)
            if self._stop_when is not None and (yield from self._reached(self._stop_when)):
                if not stops:
                    self.latest = self._seen(self._last)
                clock.stop()
                stops = True
            self.looks += [look for look, _ in self.latest]
            number += 1

    def _seen(self, dataset: str) -> Looks:
        return [(self._look(one, dataset), one.model) for one in self._running.seen()]

    def _look(self, seen: Seen, dataset: str) -> Look:
        return Look(
            self._world.clock.now,
            seen.node,
            seen.stage,
            seen.local_round,
            seen.version,
            seen.staleness,
            seen.up,
            seen.site,
            # The clock stands still for a number that decides whether to stop.
            self._world.lineage.scored(seen.model, dataset, urgent=self._stop_when is not None),
        )

    def _reached(self, goal: StopSettings) -> simpy.events.ProcessGenerator:
        """Whether the metric is reached: needs numbers, so virtual time waits for them."""
        looks = [look for look, _ in self.latest if look.stage in (None, RECEIVED)]
        values = yield self._world.clock.number(asyncio.gather(*(look.scores for look in looks)))
        by_node = {look.node: each[goal.metric] for look, each in zip(looks, values, strict=True)}
        rising = self._metrics[goal.metric] == "higher"
        if goal.of == "aggregate":
            value = by_node[AGGREGATE]
        else:
            clients = [by_node[node.name] for node in self._world.clients]
            worst = min if rising else max
            value = worst(clients) if goal.of == "worst" else sum(clients) / len(clients)
        return value >= goal.value if rising else value <= goal.value


async def score_rows(
    looks: Sequence[Look], protocol: str, seed: int, label_shares: LabelShares | None = None
) -> list[ScoreRow]:
    """The score table of one run, once all real work is done. Raises ComputeError.

    `label_shares`: the clients', for their scores on their own kind of data.
    """
    rows = []
    for look in looks:
        scores = await look.scores
        head = (protocol, seed, look.time_s, look.node, look.stage)
        counted = (look.local_round, look.version, look.staleness)
        rows += [
            ScoreRow(*head, *counted, metric, value, look.up)
            for metric, value in seen_from(look.site, scores, label_shares).items()
        ]
    return rows
