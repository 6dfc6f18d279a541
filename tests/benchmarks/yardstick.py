"""The yardstick of the benchmarks: a plain PyTorch loop over the steps that a scenario takes."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from subprocess import PIPE

from torch import nn

from models.learner import LearnerSpec
from sim.compute import Graph, Models, Pretence, Store
from sim.compute.refs import Job
from sim.record.folder import SCENARIO_FILE
from sim.results import folder as results
from sim.runs.data import Data
from sim.runs.session import PointFolder, Progress, Session, prepared, run_points
from sim.runs.worlds.once import Worlds
from sim.scenario import Scenario, dump
from tests.benchmarks.bare import __file__ as BARE
from tests.benchmarks.bare import loop


@dataclass(frozen=True)
class Work:
    """What all runs of some scenarios ask for, equal things once.

    `rounds`: (samples, steps) of each training.
    """

    rounds: Sequence[tuple[int, int]]
    evaluations: int

    @property
    def steps(self) -> int:
        return sum(steps for _, steps in self.rounds)


class _Noted(Pretence):
    """Notes the jobs instead of doing them."""

    def __init__(self) -> None:
        super().__init__()
        self.jobs: list[Job] = []

    def submit(self, worker: int, jobs: Sequence[Job]) -> None:
        """See Engine."""
        self.jobs += jobs
        super().submit(worker, jobs)


def work_of(*scenarios: Scenario) -> Work:
    data, engine = Data(), _Noted()
    runs = [
        (scenario, protocol, seed)
        for scenario in scenarios
        for protocol in scenario.protocols
        for seed in scenario.seeds
    ]

    async def scene() -> None:
        graph = Graph(engine, Store(None, 1 << 40, (), print), Models())
        worlds = Worlds(scenarios, graph, data, lambda progress: None)
        for scenario, protocol, seed in runs:
            played = await worlds.played(scenario, protocol, seed)
            await played.tables(data.lineage(graph, scenario, protocol, seed).scores, None)

    asyncio.run(scene())
    rounds = []
    for job in engine.jobs:
        if job.kind == "trained":
            assert isinstance(job.spec, LearnerSpec)
            facts = data.facts(scenarios[0], next(iter(scenarios[0].protocols)), job.spec.seed)
            client = job.arguments[0]
            pooled = facts.pooled_samples, facts.pooled_steps
            rounds.append(pooled if client < 0 else (facts.samples[client], facts.steps[client]))
    return Work(rounds, engine.evaluations.total())


def bare_loop(work: Work, network: Callable[[], nn.Module], every: int = 1) -> float:
    """Wall seconds of the same steps and evaluations, in order and on one thread.

    Only one in `every` is done, and its time counted so often.
    """
    return every * loop(work.rounds[::every], -(-work.evaluations // every), network)


def bare_processes(work: Work, processes: int) -> float:
    """Wall seconds of the same among so many processes side by side, their imports left out."""
    told = [
        {
            "rounds": work.rounds[first::processes],
            "evaluations": len(range(first, work.evaluations, processes)),
        }
        for first in range(processes)
    ]
    started = [
        subprocess.Popen([sys.executable, BARE], stdin=PIPE, stdout=PIPE, text=True) for _ in told
    ]
    for process, each in zip(started, told, strict=True):
        assert process.stdin is not None
        process.stdin.write(json.dumps(each))
        process.stdin.close()
    for process in started:
        process.stdin = None
    return max(float(process.communicate()[0]) for process in started)


def whole_run(scenarios: Sequence[Scenario], workers: int, folder: Path) -> float:
    """Wall seconds of all runs together, with all but imports in this process and compiling."""

    def progress(now: Progress) -> None: ...

    data = prepared(scenarios, print)
    started = time.perf_counter()
    session = Session(folder, workers, 1 << 40, print, progress)
    folder.mkdir()
    places = [
        PointFolder(scenario, folder / str(point)) for point, scenario in enumerate(scenarios)
    ]
    for place in places:
        results.claim(place.folder, SCENARIO_FILE, dump(place.scenario))
    asyncio.run(run_points(places, session, data))
    return time.perf_counter() - started
