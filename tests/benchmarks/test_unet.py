"""What two workers and the layout bring a network that keeps a core busy, in exact arithmetic."""

import asyncio
import statistics
import time
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from models.arithmetic.exact import fine_tune
from models.bits import generator
from models.operations import combined, direction, stepped
from models.parameters import FlatModule, Vector
from models.training import TrainingSettings
from sim.compute import Graph, Lineage, Models, Store, engine_for

pytestmark = pytest.mark.benchmark
PAIRS, WORKERS = 3, 2
CLIENTS, ROUNDS, STEPS, BATCH = 8, 6, 20, 4
SETTINGS = TrainingSettings(learning_rate=0.01, batch_size=BATCH, local_steps=STEPS)


class UNet(nn.Module):
    """Three scales, 16 filters at the finest; images [n, 1, 64, 64] to 20 classes of each pixel."""

    def __init__(self, filters: int = 16) -> None:
        super().__init__()
        wide, wider = 2 * filters, 4 * filters
        self.first, self.second = _block(1, filters), _block(filters, wide)
        self.deepest = _block(wide, wider)
        self.up_second = nn.ConvTranspose2d(wider, wide, 2, 2)
        self.third = _block(2 * wide, wide)
        self.up_first = nn.ConvTranspose2d(wide, filters, 2, 2)
        self.last = _block(2 * filters, filters)
        self.classes = nn.Conv2d(filters, 20, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first = self.first(x)
        second = self.second(functional.max_pool2d(first, 2))
        x = self.up_second(self.deepest(functional.max_pool2d(second, 2)))
        x = self.up_first(self.third(torch.cat([x, second], 1)))
        classes: torch.Tensor = self.classes(self.last(torch.cat([x, first], 1)))
        return classes


def _block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        *(nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()),
        *(nn.Conv2d(outputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU()),
    )


def built() -> UNet:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return UNet()


def images() -> tuple[torch.Tensor, torch.Tensor]:
    draws = torch.Generator().manual_seed(0)
    inputs = torch.randn(16, 1, 64, 64, generator=draws)
    return inputs, torch.randint(20, (16, 64, 64), generator=draws)


class Segmenter:
    """What is asked of that network, as `models.learner` does it."""

    def __init__(self) -> None:
        inputs, self._labels = images()
        self._flat = FlatModule(built(), torch.device("cpu"))
        self._inputs = self._flat.arranged(inputs)

    def initial(self) -> Vector:
        return self._flat.vector()

    def trained(
        self, base: Vector, client: int, local_round: int, correction: Vector | None = None
    ) -> Vector:
        self._flat.load(base)
        order = generator(0, "batches", client, local_round)
        loss = functional.cross_entropy
        fine_tune(self._flat.module, self._inputs, self._labels, loss, SETTINGS, order)
        return self._flat.vector()

    def combined(self, models: Sequence[Vector], weights: Sequence[float]) -> Vector:
        return combined(models, weights, self._flat.parameter_length)

    def direction(self, models: Sequence[Vector], weights: Sequence[float]) -> Vector:
        return direction(models, weights, self._flat.parameter_length)

    def stepped(self, rule: str, inputs: Sequence[Vector], arguments: Sequence[float]) -> Vector:
        return stepped(rule, inputs, arguments, self._flat.parameter_length)

    def scores(self, model: Vector, dataset: str = "test") -> dict[str, float]:
        return {"norm": float(np.abs(model).sum())}


@dataclass(frozen=True)
class Segmenting:
    """See DataPlane."""

    preload: ClassVar[tuple[str, ...]] = ("torch",)
    forks: ClassVar[bool] = True

    @property
    def group_limit(self) -> int:
        return 1

    def enter(self) -> None:
        """Nothing of a user's to get ready."""

    def environment(self) -> Mapping[str, str]:
        return {}

    def learner(self, spec: Hashable) -> Segmenter:
        return Segmenter()

    def trained_together(self, jobs: Sequence[tuple[Segmenter, Vector, int, int]]) -> list[Vector]:
        return [learner.trained(base, client, number) for learner, base, client, number in jobs]


def ours(folder: Path) -> float:
    """Wall seconds with workers: merge and train, round after round; their start included."""

    async def scene() -> None:
        store = Store(folder, 1 << 40, (), print)
        engine = engine_for(WORKERS, Segmenting(), store.vectors)
        graph = Graph(engine, store, Models())
        models = Lineage(graph, None, "unet")
        current = [models.initial()] * CLIENTS
        for number in range(ROUNDS):
            merged = [
                models.combined((current[i], current[i - 1]), (0.5, 0.5)) for i in range(CLIENTS)
            ]
            current = [models.trained(merged[i], i, number) for i in range(CLIENTS)]
        await asyncio.gather(*(models.scored(model) for model in current))
        await engine.close()
        store.close()

    started = time.perf_counter()
    asyncio.run(scene())
    return time.perf_counter() - started


def bare_loop() -> float:
    """Wall seconds of the same steps in PyTorch's own layout, in order and on one thread."""
    (inputs, labels), module = images(), built()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    started = time.perf_counter()
    for _ in range(CLIENTS * ROUNDS):
        optimizer = torch.optim.SGD(module.parameters(), 0.01)
        for step in range(STEPS):
            batch = (torch.arange(BATCH) + BATCH * step) % len(inputs)
            optimizer.zero_grad()
            torch.autograd.backward(functional.cross_entropy(module(inputs[batch]), labels[batch]))
            optimizer.step()
    torch.set_num_threads(threads)
    return time.perf_counter() - started


def test_a_unet_with_two_workers(tmp_path: Path) -> None:
    times = [(bare_loop(), ours(tmp_path / str(number))) for number in range(PAIRS)]
    ratio = statistics.median(bare / mine for bare, mine in times)
    bare_s, ours_s = (statistics.median(column) for column in zip(*times, strict=True))
    print(
        f"\n{CLIENTS * ROUNDS * STEPS} steps of a U-Net: bare loop {bare_s:.1f} s, "
        f"{WORKERS} workers {ours_s:.1f} s, {ratio:.2f} times as fast"
    )
    assert ratio >= 2.0
