"""Runs scenarios: builds each run's world, steps its clock, and has the real work done.

The only module that knows both towers: the control plane in `sim` and the data plane in `models`.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from models.learner import Learner, LearnerSpec, fingerprint
from models.settings import DataError
from sim.build import Facts, build
from sim.compute import Graph, engine_for
from sim.observer import Observer
from sim.outcome import Operations, Outcome, Progress, RunRecord, ScoreRow, TraceRow
from sim.scenario import Scenario
from sim.world import World


@dataclass(frozen=True)
class _Run:
    """What one run leaves behind."""

    scores: list[ScoreRow]
    traces: list[TraceRow]
    record: RunRecord


def learner_spec(scenario: Scenario, seed: int) -> LearnerSpec:
    """The data plane's whole description for one seed."""
    return LearnerSpec(
        scenario.task, scenario.model, scenario.training, scenario.clients.count, seed
    )


def check_data(scenario: Scenario, seeds: Sequence[int] | None = None) -> dict[int, Facts]:
    """Build the data of each seed, before any clock starts: what the control plane must know.

    Raises ScenarioError if the data can't be divided as the scenario asks.
    """
    facts = {}
    for seed in scenario.seeds if seeds is None else seeds:
        try:
            learner = Learner(learner_spec(scenario, seed))
        except DataError as mistake:
            what, _, allowed = str(mistake).partition("; allowed: ")
            path = ("task", "partition")
            raise scenario.mistake(path, f"{what} (seed {seed})", allowed) from None
        facts[seed] = Facts(
            learner.samples,
            learner.steps,
            learner.pooled_samples,
            learner.pooled_steps,
            learner.vector_length,
        )
    return facts


async def simulate(
    scenario: Scenario,
    protocols: Sequence[str],
    seeds: Sequence[int],
    workers: int,
    progress: Callable[[Progress], None],
) -> Outcome:
    """Run every protocol under every seed; rows come by (protocol, seed), as given.

    `workers`: processes for the real work, 0 for none beside this one. The protocols of one seed
    share a graph, so that what they have in common is computed once. Raises ScenarioError for
    data that can't be divided, ComputeError if a real operation fails.
    """
    facts = check_data(scenario, seeds)
    engine = engine_for(workers, Learner)
    runs: dict[tuple[str, int], _Run] = {}
    graphs: list[Graph] = []
    reporter = _Reporter(scenario.duration, len(protocols) * len(seeds), graphs, progress)
    try:
        for seed in seeds:
            spec = learner_spec(scenario, seed)
            graph = Graph(spec, _content_name(spec), engine)
            graphs.append(graph)
            async with asyncio.TaskGroup() as group:
                tasks = {
                    protocol: group.create_task(
                        _run(scenario, protocol, seed, graph, facts[seed], reporter)
                    )
                    for protocol in protocols
                }
            await graph.close()
            runs |= {(protocol, seed): task.result() for protocol, task in tasks.items()}
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    finally:
        for graph in graphs:
            await graph.close()
        engine.close()
    ordered = [runs[protocol, seed] for protocol in protocols for seed in seeds]
    return Outcome(
        scores=[row for run in ordered for row in run.scores],
        traces=[row for run in ordered for row in run.traces],
        runs=[run.record for run in ordered],
        operations=Operations(
            asked=sum(graph.asked for graph in graphs),
            computed=sum(graph.computed for graph in graphs),
            shared=sum(graph.shared for graph in graphs),
            never_needed=sum(graph.never_needed for graph in graphs),
        ),
    )


async def _run(
    scenario: Scenario, protocol: str, seed: int, graph: Graph, facts: Facts, reporter: _Reporter
) -> _Run:
    world, running = build(scenario, protocol, seed, graph, facts)
    observer = Observer(
        world, running, scenario.evaluation.every, scenario.duration, scenario.stop_when
    )

    async def between_steps() -> None:
        reporter.look(protocol, seed, world)
        await graph.throttle()

    await world.clock.run_until(scenario.duration, throttle=between_steps)
    in_flight = world.network.end()
    for look in observer.looks:
        await look.scores
        reporter.look(protocol, seed, world)
    reporter.finished_runs += 1
    reporter.look(protocol, seed, world)
    tally, counts = world.network.tally, world.trace.counts
    counters = {
        "messages_sent": tally.sent,
        "messages_delivered": tally.delivered,
        "messages_in_flight": in_flight,
        **{f"messages_lost_{cause}": tally.lost[cause] for cause in sorted(+tally.lost)},
        "bytes_delivered": tally.bytes_delivered,
        "most_flows_at_once": world.network.flows.most_running,
        "local_rounds": counts["train"],
        "local_rounds_lost": counts["train_lost"],
    }
    return _Run(
        await observer.rows(protocol, seed),
        [TraceRow(protocol, seed, *event) for event in world.trace.rows],
        RunRecord(protocol, seed, world.clock.now, world.clock.events, counters),
    )


@dataclass
class _Reporter:
    """Turns a look at a world into the progress that the display shows."""

    duration_s: float
    total_runs: int
    graphs: list[Graph]
    tell: Callable[[Progress], None]
    finished_runs: int = 0

    def look(self, protocol: str, seed: int, world: World) -> None:
        up = sum(node.up for node in world.nodes)
        self.tell(
            Progress(
                protocol=protocol,
                seed=seed,
                virtual_s=world.clock.now,
                duration_s=self.duration_s,
                local_rounds=world.trace.counts["train"],
                trained=sum(graph.trained_done for graph in self.graphs),
                demanded=sum(graph.trained_demanded for graph in self.graphs),
                up=up,
                down=len(world.nodes) - up,
                finished_runs=self.finished_runs,
                total_runs=self.total_runs,
            )
        )


def _content_name(spec: LearnerSpec) -> str:
    """Names everything that decides the bits of this seed's operations."""
    parts = [
        spec.task.model_dump_json(),
        spec.model.model_dump_json(),
        spec.training.model_dump_json(),
        str(spec.clients),
        str(spec.seed),
        fingerprint(),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
