"""Runs one protocol under one seed: builds its world, steps its clock, names its real work.

The one module that joins the two towers: the control plane in `sim` and the data plane in `models`.
"""

from __future__ import annotations

import functools
import hashlib
import math
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from models.environment import environment
from models.fingerprint import LIBRARIES, fingerprint, libraries
from models.learner import (
    GROUP_LIMIT,
    Learner,
    LearnerSpec,
    Report,
    TrainingJob,
    load_data,
    pinned,
    prepare,
    trained_together,
)
from models.parameters import Layout, Tensor, Vector
from models.settings import FINAL, TEST, DataError, TaskSettings, TrainingSettings
from sim.build import POOLED_CLIENT, Facts, build
from sim.compute import ComputeError, Graph, Lineage, ModelRef
from sim.compute.engines import one_thread
from sim.observer import Look, Observer, score_rows
from sim.outcome import FinalModel, RunRecord, ScoreRow, TraceRow
from sim.scenario import Scenario
from sim.world import World


@dataclass(frozen=True)
class Training:
    """The data plane that workers do their operations with: real learners.

    `settings`: all ways of training that the learners will use; `used`: the libraries that compute.
    """

    settings: tuple[TrainingSettings, ...] = ()
    used: tuple[str, ...] = LIBRARIES

    @property
    def group_limit(self) -> int:
        """See DataPlane."""
        return GROUP_LIMIT

    def environment(self) -> dict[str, str]:
        """See DataPlane."""
        return environment(self.settings, self.used)

    def learner(self, spec: Hashable) -> Learner:
        """See DataPlane."""
        assert isinstance(spec, LearnerSpec)
        return Learner(spec)

    def trained_together(self, jobs: Sequence[tuple[Learner, Vector, int, int]]) -> list[Vector]:
        """See DataPlane."""
        return trained_together([TrainingJob(*job) for job in jobs])


class Data:
    """What the control plane must know of each learner, found out once for each description.

    `report` is told, in a line each, what takes long.
    """

    def __init__(self, report: Report = lambda line: None) -> None:
        self._report = report
        self._facts: dict[LearnerSpec, Facts] = {}
        self._layouts: dict[LearnerSpec, Layout] = {}
        self._names: dict[LearnerSpec, str] = {}
        self._prepared: set[Hashable] = set()

    def facts(self, scenario: Scenario, seed: int) -> Facts:
        """Build the data of one seed. Raises ScenarioError if it can't be built as asked."""
        spec = learner_spec(scenario, seed)
        facts = self._facts.get(spec)
        if facts is None:
            with mistakes_placed(scenario, spec):
                load_data(spec, self._report)
                learner = Learner(spec)
            facts = self._facts[spec] = _facts(learner)
            self._layouts[spec] = learner.layout
            self._names[spec] = _content_name(spec, learner.data_digest)
        return facts

    def tensors(self, scenario: Scenario, seed: int, vector: Vector) -> dict[str, Tensor]:
        """A model's vector [P] as its network's tensors, by their names."""
        self.facts(scenario, seed)
        return self._layouts[learner_spec(scenario, seed)].tensors(vector)

    def lineage(self, graph: Graph, scenario: Scenario, seed: int) -> Lineage:
        """The names of the models that this seed's learner makes."""
        spec, facts = learner_spec(scenario, seed), self.facts(scenario, seed)
        steps = dict(enumerate(facts.steps)) | {POOLED_CLIENT: facts.pooled_steps}
        return graph.lineage(spec, self._names[spec], spec.together, steps)

    def prepare(self, scenario: Scenario) -> None:
        """Compile what the scenario's training needs, once for all; nothing in exact arithmetic.

        Raises ScenarioError if that can't be done here.
        """
        spec = learner_spec(scenario, scenario.seeds[0])
        if spec.together is None or spec.together in self._prepared:
            return
        self._report("batched arithmetic: compiling, or finding what was compiled before")
        with mistakes_placed(scenario, spec), one_thread():
            prepare(Learner(spec))
        self._prepared.add(spec.together)


def learner_spec(scenario: Scenario, seed: int) -> LearnerSpec:
    """The data plane's whole description for one seed."""
    return LearnerSpec(
        scenario.task, scenario.model, scenario.training, scenario.clients.count, seed
    )


def with_pinned_files(scenarios: Sequence[Scenario]) -> list[Scenario]:
    """The scenarios, naming the user's files by their content: changed files, another scenario.

    Raises ScenarioError if they can't be read.
    """
    tasks: dict[TaskSettings, TaskSettings] = {}
    for scenario in scenarios:
        if scenario.task not in tasks:
            with mistakes_placed(scenario, learner_spec(scenario, scenario.seeds[0])):
                tasks[scenario.task] = pinned(scenario.task)
    return [one.model_copy(update={"task": tasks[one.task]}) for one in scenarios]


@contextmanager
def mistakes_placed(scenario: Scenario, spec: LearnerSpec) -> Iterator[None]:
    """Let a mistake that shows only when a learner is built say where it was written."""
    try:
        yield
    except DataError as mistake:
        what, _, allowed = str(mistake).partition("; allowed: ")
        seed = f" (seed {spec.seed})" if mistake.path == ("task", "partition") else ""
        raise scenario.mistake(mistake.path, f"{what}{seed}", allowed) from None


def _facts(learner: Learner) -> Facts:
    return Facts(
        learner.samples,
        learner.steps,
        learner.pooled_samples,
        learner.pooled_steps,
        learner.vector_length,
    )


def _content_name(spec: LearnerSpec, data_digest: str) -> str:
    """Names everything that decides the bits of this seed's operations."""
    parts = [
        spec.task.model_dump_json(),
        spec.model.model_dump_json(),
        spec.training.model_dump_json(),
        str(spec.clients),
        str(spec.seed),
        data_digest,
        fingerprint(spec.training, libraries(spec.task)),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


@dataclass(frozen=True)
class Played:
    """A run whose clock has ended; its scores come when the real work is done.

    `final`: the models to keep, which the store holds as long as they are here.
    """

    record: RunRecord
    traces: list[TraceRow]
    looks: list[Look]
    final: list[tuple[FinalModel, ModelRef]]

    async def scores(self) -> list[ScoreRow]:
        """The score table's rows. Raises ComputeError if a real operation failed."""
        return await score_rows(self.looks, self.record.protocol, self.record.seed)


async def play(
    scenario: Scenario,
    protocol: str,
    seed: int,
    graph: Graph,
    data: Data,
    look: Callable[[World], None],
) -> Played:
    """Run the control plane of one run to its end; `look` is called now and then.

    Raises ComputeError if the clock waited for a number (`stop_when`) that can't be computed.
    """
    lineage, facts = data.lineage(graph, scenario, seed), data.facts(scenario, seed)
    world, running = build(scenario, protocol, seed, lineage, facts)
    last = FINAL if scenario.task.final_metrics else TEST
    observer = Observer(
        world, running, scenario.evaluation.every, scenario.duration, scenario.stop_when, last
    )

    async def between_steps() -> None:
        look(world)
        await graph.throttle()

    await world.clock.run_until(scenario.duration, throttle=between_steps)
    in_flight = world.network.end()
    look(world)
    record = RunRecord(
        protocol, seed, world.clock.now, world.clock.events, _counters(world, in_flight)
    )
    traces = [TraceRow(protocol, seed, *event) for event in world.trace.rows]
    kept = observer.final() if scenario.output.keep_models == "final" else []
    final = [(_final_model(protocol, seed, look, model), model) for look, model in kept]
    return Played(record, traces, observer.looks, final)


def _final_model(protocol: str, seed: int, look: Look, model: ModelRef) -> FinalModel:
    return FinalModel(
        protocol, seed, look.node, look.local_round, look.version, look.time_s, model.name
    )


def _counters(world: World, in_flight: int) -> dict[str, int]:
    tally, counts = world.network.tally, world.trace.counts
    return {
        "messages_sent": tally.sent,
        "messages_delivered": tally.delivered,
        "messages_in_flight": in_flight,
        **{f"messages_lost_{cause}": tally.lost[cause] for cause in sorted(+tally.lost)},
        "bytes_delivered": tally.bytes_delivered,
        "most_flows_at_once": world.network.flows.most_running,
        "local_rounds": counts["train"],
        "local_rounds_lost": counts["train_lost"],
    }


# The first time much is made ready, and other programs only ever make it slower.
_TIMED = 3


@dataclass(frozen=True)
class Price:
    """What real work costs here: seconds of one worker, and bytes of one model."""

    step_s: float
    evaluation_s: float
    model_bytes: int


def price(scenario: Scenario) -> Price:
    """Time one client's local round and one evaluation; equal descriptions are timed once.

    Raises ScenarioError if that can't be done here.
    """
    spec = learner_spec(scenario, scenario.seeds[0])
    with mistakes_placed(scenario, spec):
        return _price(spec)


@functools.cache
def _price(spec: LearnerSpec) -> Price:
    learner = Learner(spec)
    model = learner.initial()
    client = max(range(spec.clients), key=lambda each: learner.samples[each])
    group = GROUP_LIMIT if spec.together is not None else 1
    round_s = evaluation_s = math.inf
    with one_thread():
        for _ in range(_TIMED):
            started_s = time.perf_counter()
            if group == 1:
                model = learner.trained(model, client, 0)
            else:
                trained_together([TrainingJob(learner, model, client, 0)] * group)
            trained_s = time.perf_counter()
            learner.scores(model)
            round_s = min(round_s, (trained_s - started_s) / group)
            evaluation_s = min(evaluation_s, time.perf_counter() - trained_s)
    return Price(round_s / learner.steps[client], evaluation_s, model.nbytes)


__all__ = [
    "ComputeError",
    "Data",
    "Played",
    "Training",
    "libraries",
    "play",
    "with_pinned_files",
]
