"""The observer: looks at every node's current model at fixed times, at no virtual cost."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import simpy

from sim.compute import ModelRef
from sim.protocols import Running, Seen
from sim.record.metrics import (
    FINAL,
    TEST,
    VALIDATION,
    LabelShares,
    seen_from,
    validation_metric,
)
from sim.record.rows import AGGREGATE, LOOK, ScoreRow
from sim.scenario import Scenario
from sim.world import Behaviour, Tie, World

Found = Callable[[str], Awaitable[dict[str, float]]]
"""Gives the scores of a name by metric, when they are there."""


class Look(NamedTuple):
    """One model at one time; its scores, known by their names, come when the work is done."""

    time_s: float
    node: str
    stage: str | None
    local_round: int
    version: int
    staleness: float
    up: bool
    site: int | None
    is_member: bool
    scores: str
    validation: str | None

    async def all_scores(self, found_under: Found) -> dict[str, float]:
        """By metric, those on validation data beside the others. Raises ComputeError."""
        found = dict(await found_under(self.scores))
        if self.validation is not None:
            # A goal is of all sites; what one site's samples say is not asked for.
            told = seen_from(None, await found_under(self.validation))
            found |= {validation_metric(metric): value for metric, value in told.items()}
        return found


Looks = list[tuple[Look, ModelRef]]


class Observer:
    """Sees every node, dead ones too, at 0, at each `evaluation.every`, and at the end.

    `stops`: whether `stop_when` may end the run; the clock then waits for numbers at each look.
    `latest`: the latest look's models, which the store holds as long as they are here; those of all
    looks would never leave it.
    """

    def __init__(
        self, world: World, running: Running, scenario: Scenario, *, stops: bool = True
    ) -> None:
        self._world = world
        self._running = running
        self._scenario = scenario
        self._goal = scenario.stop_when if stops else None
        # A reference's models have no stage and stand beside those of either.
        validated = scenario.validated_stages
        self._scored = (None, *scenario.evaluation.stages)
        self._validated = (None, *validated) if validated else ()
        scored = {node.name for node in world.scored}
        self._unscored = {node.name for node in world.clients} - scored
        self.looks: list[Look] = []
        self.latest: Looks = []
        world.clock.process(self._watch())

    def _watch(self) -> Behaviour:
        clock, number, stops = self._world.clock, 0, False
        every_s, end_s = self._scenario.evaluation.every, self._scenario.duration
        last = FINAL if self._scenario.task.final_directions else TEST
        while not stops:
            yield clock.at(min(number * every_s, end_s), Tie.OBSERVER)
            stops = clock.now >= end_s
            self._count()
            self.latest = self._seen(last if stops else TEST)
            if (yield from self._reached()):
                if not stops:
                    self.latest = self._seen(last)
                clock.stop()
                stops = True
            self.looks += [look for look, _ in self.latest]
            number += 1

    def _seen(self, dataset: str) -> Looks:
        seen = (one for one in self._running.seen() if one.stage in self._scored)
        looked_at = (one for one in seen if one.node not in self._unscored)
        return [(self._look(one, dataset), one.model) for one in looked_at]

    def _count(self) -> None:
        """Tell of all nodes what neither the trace's rows nor the scored clients add up to."""
        world, scenario = self._world, self._scenario
        if scenario.output.trace != "all" or scenario.evaluation.clients != "all":
            done, lost = (world.trace.counts[kind] for kind in ("train", "train_lost"))
            world.trace.record(
                world.clock.now,
                "",
                LOOK,
                size_bytes=world.network.tally.bytes_delivered,
                round=done,
                attempt=done + lost,
                asked=len(world.clients),
            )

    def _look(self, seen: Seen, dataset: str) -> Look:
        scored, validation = self._world.lineage.demanded, None
        if seen.stage in self._validated:
            # The clock stands still for a number that decides whether to stop.
            validation = scored(seen.model, VALIDATION, urgent=self._goal is not None)
        return Look(
            self._world.clock.now,
            seen.node,
            seen.stage,
            seen.local_round,
            seen.version,
            seen.staleness,
            seen.up,
            seen.site,
            seen.is_member,
            scored(seen.model, dataset),
            validation,
        )

    def _reached(self) -> simpy.events.ProcessGenerator:
        """Whether the goal is reached: that needs numbers, so virtual time waits for them."""
        goal = self._goal
        if goal is None:
            return False
        found = {
            look.node: look.validation
            for look, _ in self.latest
            if look.stage in (None, goal.stage) and look.validation is not None
        }
        values = yield self._world.clock.number(
            asyncio.gather(*map(self._world.lineage.scores, found.values()))
        )
        by_node = {node: each[goal.metric] for node, each in zip(found, values, strict=True)}
        rising = self._scenario.task.directions[goal.metric] == "higher"
        if goal.of == AGGREGATE:
            value = by_node[AGGREGATE]
        else:
            everyone = self._world.scored
            present = [node for node in everyone if node.is_member] or everyone
            clients = [by_node[node.name] for node in present]
            worst = min if rising else max
            value = worst(clients) if goal.of == "worst" else sum(clients) / len(clients)
        return value >= goal.value if rising else value <= goal.value


async def score_rows(
    looks: Sequence[Look],
    found_under: Found,
    protocol: str,
    seed: int,
    label_shares: LabelShares | None = None,
) -> list[ScoreRow]:
    """The score table of one run, once all real work is done. Raises ComputeError.

    `label_shares`: the clients', for their scores on their own kind of data.
    """
    rows = []
    for look in looks:
        scores = await look.all_scores(found_under)
        head = (protocol, seed, look.time_s, look.node, look.stage)
        counted = (look.local_round, look.version, look.staleness)
        rows += [
            ScoreRow(*head, *counted, metric, value, look.up, look.is_member)
            for metric, value in seen_from(look.site, scores, label_shares).items()
        ]
    return rows
