"""The yardstick of the benchmarks: a plain PyTorch loop over the steps that a scenario takes."""

import asyncio
import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional

from models.learner import LearnerSpec
from sim.compute import Graph, Models, Pretence, Store
from sim.compute.refs import Job
from sim.runs.data import Data
from sim.runs.session import PointFolder, Progress, Session, prepared, run_points
from sim.runs.worlds.once import Worlds
from sim.scenario import Scenario


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


def mlp() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))


def cnn() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(64, 10)),
    )


def bare_loop(work: Work, network: Callable[[], nn.Module], every: int = 1) -> float:
    """Wall seconds of the same steps and evaluations, in order and on one thread.

    Only one in `every` is done, and its time counted so often.
    """
    data = load_digits()
    inputs = torch.from_numpy((data.images / 16).astype(np.float32)[:, None])
    labels = torch.from_numpy(data.target.astype(np.int64))
    module = network()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    started = time.perf_counter()
    for samples, steps in work.rounds[::every]:
        optimizer = torch.optim.SGD(module.parameters(), 0.05)
        for batch in itertools.islice(_batches(samples), steps):
            optimizer.zero_grad()
            torch.autograd.backward(functional.cross_entropy(module(inputs[batch]), labels[batch]))
            optimizer.step()
    module.eval()
    with torch.inference_mode():
        for _ in range(0, work.evaluations, every):
            output = module(inputs[:359])
            functional.cross_entropy(output, labels[:359]).item()
            (output.argmax(1) == labels[:359]).sum().item()
    torch.set_num_threads(threads)
    return every * (time.perf_counter() - started)


def _batches(samples: int) -> itertools.chain[torch.Tensor]:
    return itertools.chain.from_iterable(
        torch.split(torch.randperm(samples), 32) for _ in itertools.count()
    )


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
        place.folder.mkdir()
    asyncio.run(run_points(places, session, data))
    return time.perf_counter() - started
