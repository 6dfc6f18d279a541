"""What a sweep will take, found out without training: a dry run.

Every control plane runs to its end over a graph that counts its operations instead of doing them.
What one operation costs is timed on one local round and one evaluation of the real learner.
"""

from __future__ import annotations

import asyncio
import functools
import math
import resource
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sim.compute import Graph, Models, Pretence, Store, one_thread
from sim.record.metrics import FINAL, TEST, VALIDATION
from sim.runs.build import mistakes_placed
from sim.runs.data import Data, learner_spec
from sim.runs.playing import Played, RunProgress
from sim.runs.session import check_data
from sim.runs.worlds.once import Worlds
from sim.runs.worlds.players import players_for
from sim.scenario import Scenario

if TYPE_CHECKING:
    from models.learner import Learner, LearnerSpec
    from models.parameters import Vector

WORKER_BYTES = 250e6
"""What a worker process takes that has imported PyTorch, without its data."""
_NO_LIMIT = 1 << 62
SECONDS_BETWEEN_LINES = 2.0
# The first time much is made ready, and other programs only ever make it slower.
_TIMED = 3


@dataclass(frozen=True)
class Plan:
    """The size of a sweep; times and sizes are estimates."""

    points: int
    runs: int
    local_rounds: int
    """Finished on virtual time, over all runs."""
    steps_asked: int
    """Optimiser steps if every run trained alone."""
    steps: int
    """Those left when equal work is done once, and what no score needs not at all."""
    evaluations: int
    models: int
    """Trained or averaged, each of them kept while something needs it."""
    workers: int
    time_s: float
    memory_bytes: float
    store_bytes: float
    """If every model were kept; the store's limit stands above it."""
    kept_bytes: float
    """Of the final models in the result folders."""
    may_stop_early: bool
    """The scenario has `stop_when`, which can't be foreseen: all figures are upper bounds."""


def plan(
    scenarios: Sequence[Scenario], workers: int, tell: Callable[[str], None] = lambda line: None
) -> Plan:
    """Play every run of every scenario; `tell` is told now and then how many have been played.

    Raises ScenarioError for data that can't be built.
    """
    return asyncio.run(_plan(scenarios, workers, tell))


async def _plan(scenarios: Sequence[Scenario], workers: int, tell: Callable[[str], None]) -> Plan:
    data, engine = check_data(scenarios, tell), Pretence()
    graph = Graph(engine, Store(None, _NO_LIMIT, (), lambda text: None), Models())
    told = _Told(tell, sum(len(each.protocols) * len(each.seeds) for each in scenarios))
    local_rounds = 0
    work_s = control_s = store_bytes = kept_bytes = 0.0
    with players_for(workers) as players:
        worlds = Worlds(scenarios, graph, data, told.on_the_way, players, stops=False)
        for scenario, protocol in ((each, name) for each in scenarios for name in each.protocols):
            steps, models, evaluations = graph.steps_done, engine.models, engine.evaluations.copy()
            started_s = time.perf_counter()
            played = await _played(scenario, protocol, worlds, data, graph)
            told.played(len(played))
            local_rounds += sum(one.record.counters["local_rounds"] for one in played)
            control_s += time.perf_counter() - started_s
            # What an earlier one has asked for is paid for already.
            cost, evaluated = _price(scenario, protocol), engine.evaluations - evaluations
            work_s += (graph.steps_done - steps) * cost.step_s
            work_s += sum(count * cost.evaluation_s[name] for name, count in evaluated.items())
            store_bytes += (engine.models - models) * cost.model_bytes
            kept_bytes += sum(len(one.final) for one in played) * cost.model_bytes
    unit_bytes = 1 if sys.platform == "darwin" else 1024
    return Plan(
        points=len(scenarios),
        runs=told.runs,
        local_rounds=local_rounds,
        steps_asked=graph.steps_asked,
        steps=graph.steps_done,
        evaluations=engine.evaluations.total(),
        models=engine.models,
        workers=workers,
        # Workers share the training; the control planes went as fast as they can.
        time_s=control_s + work_s / max(1, workers),
        memory_bytes=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit_bytes
        + workers * WORKER_BYTES,
        store_bytes=store_bytes,
        kept_bytes=kept_bytes,
        may_stop_early=any(each.stop_when is not None for each in scenarios),
    )


async def _played(
    scenario: Scenario, protocol: str, worlds: Worlds, data: Data, graph: Graph
) -> list[Played]:
    """The protocol's runs, when all that they have demanded is counted."""
    seeds = (worlds.played(scenario, protocol, seed) for seed in scenario.seeds)
    played = await asyncio.gather(*seeds)
    for one, seed in zip(played, scenario.seeds, strict=True):
        found = data.lineage(graph, scenario, protocol, seed).scores
        await one.tables(found, None)
    return played


class _Told:
    """Says now and then how many of all `runs` have been played."""

    def __init__(self, tell: Callable[[str], None], runs: int) -> None:
        self.runs = runs
        self._tell = tell
        self._played = 0
        self._told_s = time.monotonic()

    def played(self, runs: int) -> None:
        """So many more."""
        self._played += runs
        self.on_the_way()

    def on_the_way(self, progress: RunProgress | None = None) -> None:
        """One of them is there now."""
        if time.monotonic() - self._told_s > SECONDS_BETWEEN_LINES:
            now = f": {progress.run}" if progress else ""
            self._tell(f"played {self._played:,} of {self.runs:,} runs{now}")
            self._told_s = time.monotonic()


@dataclass(frozen=True)
class _Price:
    """What real work costs here: seconds of one worker, and bytes of one model."""

    step_s: float
    evaluation_s: Mapping[str, float]
    """By data set."""
    model_bytes: int


_NOTHING = _Price(0.0, dict.fromkeys((TEST, FINAL, VALIDATION), 0.0), 0)


def _price(scenario: Scenario, protocol: str) -> _Price:
    """Time one client's local round and one evaluation; equal descriptions are timed once.

    Raises ScenarioError if that can't be done here.
    """
    if not scenario.task.learns:
        return _NOTHING
    final, validation = scenario.task.final_directions, scenario.validated_stages
    datasets = (TEST, *([FINAL] if final else []), *([VALIDATION] if validation else []))
    seed = scenario.seeds[0]
    with mistakes_placed(scenario, seed):
        return _spec_price(learner_spec(scenario, protocol, seed), datasets)


@functools.cache
def _spec_price(spec: LearnerSpec, datasets: tuple[str, ...]) -> _Price:
    from models.learner import GROUP_LIMIT, Learner, trained_together

    learner = Learner(spec)
    model = learner.initial()
    client = max(range(spec.clients), key=lambda each: learner.samples[each])
    group = GROUP_LIMIT if spec.together is not None else 1
    round_s = math.inf
    with one_thread():
        for _ in range(_TIMED):
            started_s = time.perf_counter()
            if group == 1:
                model = learner.trained(model, client, 0)
            else:
                trained_together([(learner, model, client, 0)] * group)
            round_s = min(round_s, (time.perf_counter() - started_s) / group)
        evaluation_s = {dataset: _evaluation_s(learner, model, dataset) for dataset in datasets}
    return _Price(round_s / learner.steps[client], evaluation_s, model.nbytes)


def _evaluation_s(learner: Learner, model: Vector, dataset: str) -> float:
    shortest_s = math.inf
    for _ in range(1 if dataset == FINAL else _TIMED):  # That one is dear.
        started_s = time.perf_counter()
        learner.scores(model, dataset)
        shortest_s = min(shortest_s, time.perf_counter() - started_s)
    return shortest_s
