"""What a run costs beside the training that it does, as a ratio in one process."""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import ClassVar

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits
from torch.nn import functional

from models.learner import POOLED, Learner
from models.parameters import Vector
from sim.scenario import load
from sim.simulation import simulate

pytestmark = pytest.mark.benchmark
SEED = 0
PAIRS = 3


def whole_run() -> float:
    """CPU seconds of `no_faults` under one seed, everything included but imports."""
    scenario = load("no_faults")
    started = time.process_time()
    asyncio.run(simulate(scenario, tuple(scenario.protocols), [SEED], 0, lambda _: None))
    return time.process_time() - started


class CountingLearner(Learner):
    """Notes what it is asked to do."""

    trainings: ClassVar[list[int]] = []
    evaluations: ClassVar[list[str]] = []

    def trained(self, base: Vector, client: int, local_round: int) -> Vector:
        """Notes the number of samples."""
        self.trainings.append(self.pooled_samples if client == POOLED else self.samples[client])
        return super().trained(base, client, local_round)

    def scores(self, model: Vector, dataset: str = "test") -> dict[str, float]:
        """Notes the data set."""
        self.evaluations.append(dataset)
        return super().scores(model, dataset)


def bare_loop(samples: list[int], evaluations: int) -> float:
    """CPU seconds of a plain PyTorch loop over the same steps and evaluations."""
    data = load_digits()
    inputs = torch.from_numpy((data.images / 16).astype(np.float32)[:, None])
    labels = torch.from_numpy(data.target.astype(np.int64))
    module = torch.nn.Sequential(
        torch.nn.Flatten(), torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10)
    )
    started = time.process_time()
    for count in samples:
        optimizer = torch.optim.SGD(module.parameters(), 0.05)
        for _ in range(2):
            for batch in torch.split(torch.randperm(count), 32):
                optimizer.zero_grad()
                torch.autograd.backward(
                    functional.cross_entropy(module(inputs[batch]), labels[batch])
                )
                optimizer.step()
    with torch.inference_mode():
        for _ in range(evaluations):
            output = module(inputs[:359])
            functional.cross_entropy(output, labels[:359]).item()
            (output.argmax(1) == labels[:359]).sum().item()
    return time.process_time() - started


def test_in_process_run_against_a_bare_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("sim.simulation.Learner", CountingLearner)
        whole_run()
    samples, evaluations = CountingLearner.trainings, len(CountingLearner.evaluations)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        pairs = [(whole_run(), bare_loop(samples, evaluations)) for _ in range(PAIRS)]
    finally:
        torch.set_num_threads(threads)
    ratio = statistics.median(ours / bare for ours, bare in pairs)
    whole, bare = (statistics.median(column) for column in zip(*pairs, strict=True))
    print(
        f"\n{len(samples):,} local rounds, {evaluations:,} evaluations: whole run {whole:.1f} s, "
        f"bare loop {bare:.1f} s, median ratio {ratio:.3f}"
    )
    assert ratio <= 1.10
