"""Does all runs of all points as one graph of real work, and writes each point when it is done.

The control planes go ahead, since they cost milliseconds; what their scores depend on is computed
once, whoever shares it, or found in the store.
"""

import asyncio
import functools
import math
import operator
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from sim.compute import (
    AUTO,
    ComputeError,
    DataPlane,
    Engine,
    Graph,
    Models,
    Pretence,
    Store,
    Vectors,
    Workers,
    cores,
    engine_for,
)
from sim.record.code import whose_fault
from sim.record.errors import ScenarioError
from sim.record.folder import STORE_FOLDER
from sim.record.rows import FAILED, Operations, RunRecord
from sim.results import folder as results
from sim.results import kept, under_way
from sim.results.folder import RunTables
from sim.runs.build import (
    check_fault_files,
    check_faults,
    check_timeouts,
    check_topologies,
    local_rounds,
    mistakes_placed,
)
from sim.runs.cautions import cautions, evidence
from sim.runs.data import Data, learner_spec
from sim.runs.playing import Played, RunProgress
from sim.runs.worlds.once import Worlds
from sim.runs.worlds.player import WorldFault
from sim.runs.worlds.players import Cluster, Players, players_for
from sim.scenario import MANY_EVENTS, Scenario, check_events, long_text

RUNS_AHEAD = 64
"""Runs that wait for their clock; no point begins while there are more."""
RUNS_HELD, BYTES_HELD = 1_000, 512 << 20
"""Runs that wait for their scores, or for others of their point, and what their tables take."""
SECONDS_BETWEEN_REPORTS = 0.2
SECONDS_BETWEEN_WORDS = 2.0
"""Left in the folder for those who ask there how far it is."""


@dataclass(frozen=True)
class PointFolder:
    """One point: what is run, and the result folder that it is written to."""

    scenario: Scenario
    folder: Path

    @property
    def runs(self) -> int:
        """Protocols times seeds."""
        return len(self.scenario.protocols) * len(self.scenario.seeds)


@dataclass(frozen=True)
class Progress:
    """How far a session is, for the display only: it never reaches a table."""

    latest: RunProgress | None
    """The run whose clock was stepped last; none at the start."""
    simulated_runs: int
    """Runs whose clock has ended."""
    finished_runs: int
    """Runs whose scores are there, too."""
    total_runs: int
    trained: int
    """Real trainings done."""
    demanded: int
    """Real trainings demanded so far."""
    evaluated: int
    """Models scored, on one data set each."""
    evaluations: int
    """Those demanded so far."""
    done_s: float
    """Seconds of all workers together so far."""
    left_s: float
    """The same for what is left, as far as it is known."""
    left_is_known: bool


@dataclass(frozen=True)
class Session:
    """How the work is done; none of it changes a result.

    `home`: the folder with the store. `workers`: see `sim.compute.Workers`.
    `scheduler`: a Dask cluster's address, or its scheduler file, to work there instead.
    `accept_code`: whether tables may be made anew where the user's code has changed.
    `tell` gets what the user should know, `progress` how far it is, several times a second.
    """

    home: Path
    workers: Workers
    store_limit_bytes: int
    tell: Callable[[str], None]
    progress: Callable[[Progress], None]
    scheduler: str | None = None
    accept_code: bool = False


@dataclass
class Done:
    """What a session came to."""

    operations: Operations
    failed: list[RunRecord] = field(default_factory=list)


def asked_workers(asked: int | str) -> Workers:
    """What an option, or an argument, stands for. Raises ScenarioError."""
    if asked == AUTO:
        return AUTO
    if re.fullmatch("[0-9]{1,4}", str(asked)):
        return int(asked)
    what = "is no number of worker processes"
    raise ScenarioError(f"--workers {asked}: {what}; allowed: {AUTO}, 0 for none, or up to 9999")


def worker_count(asked: Workers) -> int:
    """As many as there may be."""
    return cores() if asked == AUTO else asked


def check_data(scenarios: Iterable[Scenario], tell: Callable[[str], None]) -> Data:
    """Build all data before any clock starts.

    Raises ScenarioError if that can't be done, or if more would happen than can be played.
    """
    data, sound = Data(tell), set[str]()
    for scenario in scenarios:
        check_fault_files(scenario)
        # Most sweeps vary faults: what doesn't read them isn't checked at each of their points.
        world = scenario.model_dump_json(exclude=_UNCHECKED)
        if world not in sound:
            _check_world(scenario, data, tell)
            sound.add(world)
        for protocol in scenario.protocols:
            for seed in scenario.seeds:
                with mistakes_placed(scenario, seed):
                    check_faults(scenario, data.facts(scenario, protocol, seed))
    return data


_UNCHECKED = {"faults", "evaluation", "stop_when", "output", "costs", "sweep", "tune"}


def _check_world(scenario: Scenario, data: Data, tell: Callable[[str], None]) -> None:
    """Check what nothing `_UNCHECKED` has a part in. Raises ScenarioError."""
    most = 0.0
    check_topologies(scenario)
    check_timeouts(scenario)
    for protocol in scenario.protocols:
        for seed in scenario.seeds:
            facts = data.facts(scenario, protocol, seed)
            rounds = local_rounds(scenario, seed, facts)
            with mistakes_placed(scenario, seed):
                scenario.clients.check_memory(4 * facts.vector_length)
                path = ("clients", "step_time")
                check_events(rounds, "local rounds", scenario.duration, path)
            most = max(most, rounds)
    check_timeouts(scenario, data.facts)
    if most > MANY_EVENTS:
        text = long_text("clients.step_time", most, "local rounds", scenario.duration)
        tell(f"caution: {text}")


def prepared(scenarios: Sequence[Scenario], tell: Callable[[str], None]) -> Data:
    """Build all data and compile all that has to be. Raises ScenarioError if that can't be done.

    What can't come to anything is told before the first clock starts.
    """
    data = check_data(scenarios, tell)
    for text in dict.fromkeys(text for one in scenarios for text in one.idle()):
        tell(f"caution: {text}")
    for scenario in scenarios:
        data.prepare(scenario)
    return data


async def run_points(points: Sequence[PointFolder], session: Session, data: Data) -> Done:
    """Do every run of every point and write the points' result folders.

    Nothing is done twice that an earlier session has stored. Raises ScenarioError for a cluster
    that can't be used, before anything else is done, and OSError if nothing can be written.
    """
    # What fails on the way, and Ctrl-C, give up what is under way; what is stored stays.
    async with AsyncExitStack() as opened:
        models, folder = Models(), session.home / STORE_FOLDER
        plane = _data_plane(points)
        engine: Engine | None = None
        cluster: Cluster | None = None
        vectors: Vectors | None = None
        if plane is None:
            engine = Pretence()  # Nothing will be asked of it.
        elif session.scheduler is not None:
            from sim.compute.engines.cluster import cluster_engine

            engine = cluster = dask = await cluster_engine(session.scheduler, plane, session.tell)
            opened.push_async_callback(dask.close)
            vectors = dask.vectors
        store = Store(folder, session.store_limit_bytes, models, session.tell, vectors)
        opened.callback(store.close)
        if engine is None and plane is not None:
            engine = engine_for(session.workers, plane, store.vectors)
            opened.push_async_callback(engine.close)
        assert engine is not None
        graph = Graph(engine, store, models)
        opened.callback(graph.close)
        players = opened.enter_context(players_for(worker_count(session.workers), cluster))
        work = _Runs(points, session, data, graph, players)
        await work.all()
        if not work.failed:
            store.forget_models()  # The scores are all that a result needs.
        return Done(work.operations(), work.failed)


def _data_plane(points: Sequence[PointFolder]) -> DataPlane | None:
    """What computes; None if nobody learns."""
    learning = [point.scenario for point in points if point.scenario.task.learns]
    if not learning:
        return None
    from models.bits.fingerprint import NOTHING
    from sim.runs.training import Training

    specs = [learner_spec(one, protocol, 0) for one in learning for protocol in one.protocols]
    return Training(
        tuple(dict.fromkeys(spec.training for spec in specs)),
        tuple(dict.fromkeys(name for spec in specs for name in spec.libraries)),
        functools.reduce(operator.or_, (spec.outside for spec in specs), NOTHING),
    )


class _Held:
    """What runs hold until their point is written: of very many that are to be done, not all."""

    def __init__(self) -> None:
        self._unplayed = self._runs = self._bytes = 0
        self._less = asyncio.Event()

    async def room(self, runs: int) -> None:
        """Begin so many runs, once not too many wait for their clock, or else for their scores."""
        while self._is_full:
            self._less.clear()
            await self._less.wait()
        self._unplayed += runs
        self._runs += runs

    @property
    def _is_full(self) -> bool:
        much = self._runs >= RUNS_HELD or self._bytes >= BYTES_HELD
        return self._unplayed >= RUNS_AHEAD or (self._runs > 0 and much)

    def played(self) -> None:
        """A run's clock has ended."""
        self._unplayed -= 1
        self._less.set()

    def add(self, tables: RunTables) -> None:
        """A run's tables are made."""
        self._bytes += _size_bytes(tables)

    def written(self, runs: Sequence[RunTables]) -> None:
        """A point is written."""
        self._runs -= len(runs)
        self._bytes -= sum(map(_size_bytes, runs))
        self._less.set()


def _size_bytes(tables: RunTables) -> int:
    size: int = tables.scores.nbytes + tables.traces.nbytes
    return size


class _Runs:
    """The runs on their way, over one graph."""

    def __init__(
        self,
        points: Sequence[PointFolder],
        session: Session,
        data: Data,
        graph: Graph,
        players: Players | None,
    ) -> None:
        self._points = points
        self._total = sum(point.runs for point in points)
        self._session = session
        self._data = data
        self._graph = graph
        self._started_s = time.monotonic()
        self._held = _Held()
        self._simulated = self._finished = 0
        self._latest: RunProgress | None = None
        scenarios = [point.scenario for point in points]
        self._worlds = Worlds(scenarios, graph, data, self._tell, players)
        self.failed: list[RunRecord] = []

    async def all(self) -> None:
        """Every run; a run's failure is recorded, anything else ends all."""
        with self._watched():
            try:
                async with asyncio.TaskGroup() as group:
                    for point in self._points:
                        await self._held.room(point.runs)
                        runs = [
                            group.create_task(self._run(point, protocol, seed))
                            for protocol in point.scenario.protocols
                            for seed in point.scenario.seeds
                        ]
                        group.create_task(self._written(point, runs))
            except BaseExceptionGroup as failures:
                raise failures.exceptions[0] from None

    async def _run(self, point: PointFolder, protocol: str, seed: int) -> RunTables:
        record = RunRecord(protocol, seed, 0.0, 0, {})
        try:
            try:
                played = await self._worlds.played(point.scenario, protocol, seed)
            finally:
                self._held.played()
            self._simulated += 1
            record = played.record
            await self._keep(point, played)
            tables = await self._tables(point, played)
        except (ComputeError, WorldFault) as failure:
            return self._failure(record, str(failure))
        except Exception as failure:
            # What a user's protocol or fault is to blame for ends its own run and no other.
            if (cause := whose_fault(failure)) is None:
                raise
            return self._failure(record, cause)
        self._finished += 1  # Not where Ctrl-C ends it: then nothing has come of it.
        self._held.add(tables)
        return tables

    async def _tables(self, point: PointFolder, played: Played) -> RunTables:
        run = point.scenario, played.record.protocol, played.record.seed
        lineage, facts = self._data.lineage(self._graph, *run), self._data.facts(*run)
        return await played.tables(lineage.scores, facts.label_shares)

    def _tell(self, progress: RunProgress) -> None:
        self._latest = progress

    def _failure(self, record: RunRecord, cause: str) -> RunTables:
        failed = replace(record, status=FAILED, cause=cause)
        self.failed.append(failed)
        self._finished += 1
        return results.run_tables(failed)

    async def _keep(self, point: PointFolder, played: Played) -> None:
        """Write the run's final models, but for those that an earlier session has written."""
        missing = [each for each in played.final if not kept.is_there(point.folder, each[0])]
        for _, model in missing:
            self._graph.stored(model)  # All at once, so that workers share what they need.
        for final, model in missing:
            vector = await self._graph.vector(model)
            tensors = self._data.tensors(point.scenario, final.protocol, final.seed, vector)
            kept.write(point.folder, final, tensors)

    async def _written(self, point: PointFolder, runs: Sequence[asyncio.Task[RunTables]]) -> None:
        done = [await run for run in runs]
        scenario, data = point.scenario, self._data
        facts = {
            (protocol, seed): data.facts(scenario, protocol, seed)
            for protocol in scenario.protocols
            for seed in scenario.seeds
        }
        results.write(
            point.folder,
            scenario,
            done,
            wall_s=time.monotonic() - self._started_s,
            workers=self._session.workers,
            # Of several points that share their work, none can say which part was its own.
            operations=self.operations() if len(self._points) == 1 else None,
            cautions=list(cautions(evidence(scenario, done, facts))),
            site_names=next(iter(facts.values())).site_names,
        )
        self._held.written(done)

    def operations(self) -> Operations:
        """What the graph has done so far."""
        graph = self._graph
        return Operations(
            asked=graph.asked,
            computed=graph.computed,
            shared=graph.shared,
            never_needed=graph.never_needed,
            steps_asked=graph.steps_asked,
            steps_demanded=graph.steps_demanded,
            steps_computed=graph.steps_done,
        )

    @contextmanager
    def _watched(self) -> Iterator[None]:
        async def watch() -> None:
            told_s = -math.inf
            while True:
                self._session.progress(self._progress())
                if time.monotonic() - told_s > SECONDS_BETWEEN_WORDS:
                    self._leave_word()
                    told_s = time.monotonic()
                await asyncio.sleep(SECONDS_BETWEEN_REPORTS)

        watcher = asyncio.get_running_loop().create_task(watch())
        try:
            yield
        finally:
            watcher.cancel()
            self._leave_word()
        self._session.progress(self._progress())
        if not self.failed:
            under_way.forget(self._session.home)

    def _leave_word(self) -> None:
        now = self._progress()
        work = under_way.Work(
            trained=now.trained,
            trainings=now.demanded,
            evaluated=now.evaluated,
            evaluations=now.evaluations,
            simulated_runs=now.simulated_runs,
            total_runs=now.total_runs,
        )
        under_way.tell(self._session.home, work)

    def _progress(self) -> Progress:
        graph = self._graph
        return Progress(
            latest=self._latest,
            simulated_runs=self._simulated,
            finished_runs=self._finished,
            total_runs=self._total,
            trained=graph.trainings_done,
            demanded=graph.trainings_demanded,
            evaluated=graph.pace.evaluations_done,
            evaluations=graph.pace.evaluations_demanded,
            done_s=graph.pace.done_s,
            left_s=graph.pace.left_s,
            left_is_known=graph.pace.is_known,
        )
