"""What a run costs beside the training that it does, and what a second worker brings."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional

from sim.compute import Graph
from sim.compute.pretence import Pretence
from sim.compute.refs import Job
from sim.compute.store import MemoryStore
from sim.outcome import Progress
from sim.scenario import Scenario, load
from sim.simulation import Data, play
from sim.work import Place, Session, check_data, run_places

pytestmark = pytest.mark.benchmark
PAIRS = 3
# Convolutions, and seeds enough for more than a minute of training.
SCENARIO = ("no_faults", ["model={name: cnn}", "seeds=[0, 1]", "evaluation.every=2 min"])


def whole_run(scenario: Scenario, workers: int, folder: Path) -> float:
    """Wall seconds of all runs, everything included but imports in this process."""

    def progress(now: Progress) -> None: ...

    started = time.perf_counter()
    data = check_data([scenario])
    session = Session(folder, workers, 1 << 40, print, progress)
    folder.mkdir()
    asyncio.run(run_places([Place(scenario, folder)], session, data))
    return time.perf_counter() - started


class Noted(Pretence):
    """Notes the jobs instead of doing them."""

    def __init__(self) -> None:
        super().__init__()
        self.jobs: list[Job] = []

    def submit(self, worker: int, jobs: Sequence[Job]) -> None:
        """See Engine."""
        self.jobs += jobs
        super().submit(worker, jobs)


def work_of(scenario: Scenario) -> tuple[list[int], int]:
    """The number of samples of each training, and how many evaluations there are."""
    data, engine = Data(), Noted()

    async def scene() -> None:
        graph = Graph(engine, MemoryStore(1 << 40, lambda name: True, print))
        for protocol in scenario.protocols:
            for seed in scenario.seeds:
                played = await play(scenario, protocol, seed, graph, data, lambda world: None)
                await played.scores()

    asyncio.run(scene())
    samples = []
    for job in engine.jobs:
        if job.kind == "trained":
            facts = data.facts(scenario, job.spec.seed)  # type: ignore[attr-defined]
            client = job.arguments[0]
            samples.append(facts.pooled_samples if client < 0 else facts.samples[client])
    return samples, engine.evaluations


def bare_loop(samples: list[int], evaluations: int) -> float:
    """Wall seconds of a plain PyTorch loop with one thread over the same steps and evaluations."""
    data = load_digits()
    inputs = torch.from_numpy((data.images / 16).astype(np.float32)[:, None])
    labels = torch.from_numpy(data.target.astype(np.int64))
    module = nn.Sequential(
        *(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(64, 10)),
    )
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    started = time.perf_counter()
    for count in samples:
        optimizer = torch.optim.SGD(module.parameters(), 0.05)
        for _ in range(2):
            for batch in torch.split(torch.randperm(count), 32):
                optimizer.zero_grad()
                torch.autograd.backward(
                    functional.cross_entropy(module(inputs[batch]), labels[batch])
                )
                optimizer.step()
    module.eval()
    with torch.inference_mode():
        for _ in range(evaluations):
            output = module(inputs[:359])
            functional.cross_entropy(output, labels[:359]).item()
            (output.argmax(1) == labels[:359]).sum().item()
    torch.set_num_threads(threads)
    return time.perf_counter() - started


def test_one_worker_against_a_bare_loop_and_two_against_one(tmp_path: Path) -> None:
    scenario = load(*SCENARIO)
    samples, evaluations = work_of(scenario)
    times = []
    for number in range(PAIRS):
        folder = tmp_path / str(number)
        folder.mkdir()
        times.append(
            (
                bare_loop(samples, evaluations),
                whole_run(scenario, 1, folder / "one"),
                whole_run(scenario, 2, folder / "two"),
            )
        )
    bare_s, one_s, two_s = (statistics.median(column) for column in zip(*times, strict=True))
    over = statistics.median(one / bare for bare, one, _ in times)
    share = statistics.median(two / one for _, one, two in times)
    print(
        f"\n{len(samples):,} local rounds, {evaluations:,} evaluations: bare loop {bare_s:.1f} s, "
        f"1 worker {one_s:.1f} s ({over:.3f}), 2 workers {two_s:.1f} s ({share:.3f} of 1 worker)"
    )
    assert over <= 1.08
    assert share <= 0.58
