"""The data plane of one seed: the four operations on flat vectors, built from a description.

A room of its own because it is all that the simulator sees of this tower, in its own process or in
a worker's: `initial`, `trained`, `averaged`, `scores`, and a few numbers about the data.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from models import parameters
from models.generators import generator
from models.networks import NETWORKS
from models.parameters import FlatModule, Vector
from models.partitions import PARTITIONS
from models.settings import CnnSettings, MlpSettings, TaskSettings, TrainingSettings
from models.tasks import TASKS
from models.training import fine_tune, steps_per_round

POOLED = -1
"""The client number that stands for all clients' data together."""


@dataclass(frozen=True)
class LearnerSpec:
    """Everything that a learner is built from; picklable, and equal if the learners are."""

    task: TaskSettings
    model: MlpSettings | CnnSettings
    training: TrainingSettings
    clients: int
    seed: int


class Learner:
    """Data of every client, and the four operations; a model is a float32 vector [vector_length].

    `samples`, `steps` [clients]: training samples, and optimiser steps in a local round.
    Raises DataError if the data can't be divided among the clients as the description asks.
    """

    def __init__(self, spec: LearnerSpec) -> None:
        self._spec = spec
        self._task = TASKS[spec.task.name](spec.task)
        partition = spec.task.partition
        parts = PARTITIONS[partition.kind](
            partition,
            self._task.labels.numpy(),
            spec.clients,
            generator(spec.seed, "data_partition"),
        )
        # Each client's data stands alone: one copy at the start instead of one at each step.
        self._data = [(self._task.inputs[part], self._task.labels[part]) for part in parts]
        self._flat = self._network()
        self._initial = self._flat.vector()
        self.vector_length = self._flat.length
        self.samples = tuple(len(part) for part in parts)
        self.pooled_samples = len(self._task.labels)
        self.steps = tuple(steps_per_round(n, spec.training) for n in self.samples)
        self.pooled_steps = steps_per_round(self.pooled_samples, spec.training)

    def _network(self) -> FlatModule:
        draws = generator(self._spec.seed, "initial_weights")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(draws.integers(2**63)))
            module = NETWORKS[self._spec.model.name](
                self._spec.model, self._task.input_shape, self._task.outputs
            )
        return FlatModule(module, torch.device("cpu"))

    def initial(self) -> Vector:
        """The initial model, common to all clients of this seed."""
        return self._initial.copy()

    def trained(self, base: Vector, client: int, local_round: int) -> Vector:
        """`base` fine-tuned on the client's data; the batch order belongs to the local round."""
        if client == POOLED:
            inputs, labels = self._task.inputs, self._task.labels
        else:
            inputs, labels = self._data[client]
        self._flat.load(base)
        order = generator(self._spec.seed, "batches", client, local_round)
        fine_tune(self._flat.module, inputs, labels, self._task.loss, self._spec.training, order)
        return self._flat.vector()

    def averaged(self, models: Sequence[Vector], weights: Sequence[float]) -> Vector:
        """The weighted sum of models, rows in the order given; see `parameters.averaged`."""
        return parameters.averaged(models, weights)

    def scores(self, model: Vector, dataset: str = "test") -> dict[str, float]:
        """The task's metrics of `model` on the held-out data of all sites ("test")."""
        if dataset != "test":
            raise ValueError(f"no data set is called {dataset!r}; allowed: 'test'")
        self._flat.load(model)
        self._flat.module.eval()
        with torch.inference_mode():
            output = self._flat.module(self._task.test_inputs)
            return self._task.metrics(output, self._task.test_labels)


def fingerprint() -> str:
    """Names what decides bits beside a learner's description: code, libraries, CPU, threads."""
    digest = hashlib.sha256()
    root = Path(__file__).parent
    for path in sorted(root.rglob("*.py"), key=lambda path: path.relative_to(root).as_posix()):
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(path.read_bytes())
    for library in ("torch", "numpy", "scikit-learn"):
        digest.update(importlib.metadata.version(library).encode())
    digest.update(f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}".encode())
    digest.update(b"threads=1 layout=contiguous arithmetic=exact device=cpu")
    return digest.hexdigest()
