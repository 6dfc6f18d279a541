"""The data plane of one seed: the four operations on flat vectors, built from a description.

It is all that the simulator sees of this tower, in its own process or in a worker's.
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from models import parameters
from models.arithmetic.batched import GROUP_LIMIT as GROUP_LIMIT
from models.arithmetic.batched import Group, Member
from models.arithmetic.exact import fine_tune
from models.bits import devices, generator
from models.bits.fingerprint import modules_of
from models.networks import ModelSettings, network
from models.parameters import FlatModule, Vector
from models.tasks.settings import TaskSettings, Tell
from models.tasks.task import HeldOut, Task
from models.training import ALL_CLIENTS, TrainingSettings, steps_per_round
from sim.record.metrics import FINAL, TEST, VALIDATION, LabelShares


@dataclass(frozen=True)
class LearnerSpec:
    """Everything that a learner is built from; picklable, and equal if the learners are."""

    task: TaskSettings
    model: ModelSettings
    training: TrainingSettings
    clients: int
    seed: int

    @property
    def libraries(self) -> tuple[str, ...]:
        """Names of those that compute it."""
        return tuple(dict.fromkeys((*self.task.libraries, *self.model.libraries)))

    @property
    def modules(self) -> tuple[str, ...]:
        """Names of those outside the project that define its task, network and partition."""
        return modules_of(self.task, self.model)

    @property
    def together(self) -> Hashable | None:
        """Equal for descriptions whose `trained` operations may share a group; None: they never do.

        Neither clients nor seeds matter, nor learning rates and lengths of local rounds.
        """
        training = self.training
        if training.arithmetic == "exact":
            return None
        data = self.task.data_key(self.clients)
        return data, self.model, training.optimizer, training.batch_size, training.device


class Learner:
    """Data of every client, and the four operations; a model is a float32 vector [vector_length].

    `samples`, `steps` [clients]: training samples, and optimiser steps in a local round; `group`:
    where rounds are trained beside others, None in exact arithmetic.
    Raises Refusal if the data can't be divided among the clients as the description asks, if
    there is no such device, or if the network can't be trained in batched arithmetic.
    """

    def __init__(self, spec: LearnerSpec) -> None:
        self._spec = spec
        self._device = devices.device(spec.training.device)
        self._task = load_data(spec)
        draws = generator(spec.seed, "data_partition")
        self._parts = spec.task.deal(self._task, spec.clients, draws)
        self._evaluation_seed = self._torch_seed("evaluation")
        with devices.drawing(self._torch_seed("initial_weights"), torch.device("cpu")):
            module = network(spec.model, self._task)
        self._flat = FlatModule(module, self._device)
        self._initial = self._flat.vector()
        self.layout = self._flat.layout
        self.vector_length = self._flat.length
        self.samples = tuple(len(part) for part in self._parts)
        self.pooled_samples = len(self._task.labels)
        self.steps = tuple(steps_per_round(n, spec.training) for n in self.samples)
        self.pooled_steps = steps_per_round(self.pooled_samples, spec.training)
        self._held_out = {
            dataset: replace(samples, inputs=self._flat.arranged(samples.inputs))
            for dataset, samples in ((TEST, self._task.test), (VALIDATION, self._task.validation))
        }
        self.group = self._shared_group()
        # Each client's data stands alone: one copy at the first use instead of one at each step.
        self._data: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def _torch_seed(self, purpose: str, *key: int) -> int:
        return int(generator(self._spec.seed, purpose, *key).integers(2**63))

    def _shared_group(self) -> Group | None:
        """The group of all learners of this process with the same `together`."""
        key, training = self._spec.together, self._spec.training
        if key is not None and key not in _GROUPS:
            _GROUPS[key] = Group(self._flat, self._task, training.optimizer, training.batch_size)
        return None if key is None else _GROUPS[key]

    @property
    def data_digest(self) -> str:
        """Names the samples, of training and held out, by their content."""
        return self._task.digest

    @property
    def label_shares(self) -> LabelShares | None:
        """How each client's training samples fall to the classes; None if there are none."""
        if not self._task.by_class:
            return None
        labels = self._task.labels.cpu().numpy()
        counts = (np.bincount(labels[part], minlength=self._task.outputs) for part in self._parts)
        return tuple(tuple((each / each.sum()).tolist()) for each in counts)

    def initial(self) -> Vector:
        """The initial model, common to all clients of this seed."""
        return self._initial.copy()

    def trained(self, base: Vector, client: int, local_round: int) -> Vector:
        """`base` fine-tuned on the client's data; the batch order belongs to the local round."""
        member = self.member(base, client, local_round)
        if self.group is not None:
            return self.group.trained([member])[0]
        if client not in self._data:
            samples = torch.from_numpy(member.samples).to(self._device)
            inputs = self._flat.arranged(self._task.inputs[samples])
            self._data[client] = (inputs, self._task.labels[samples])
        self._flat.load(base)
        module, training, order = self._flat.module, member.training, member.order
        with devices.drawing(self._torch_seed("layers", client, local_round), self._device):
            fine_tune(module, *self._data[client], self._task.loss, training, order)
        return self._flat.vector()

    def member(self, base: Vector, client: int, local_round: int) -> Member:
        """`trained` with these arguments, as a member of a group that may train it."""
        everyone = client == ALL_CLIENTS
        samples = np.arange(self.pooled_samples) if everyone else self._parts[client]
        order = generator(self._spec.seed, "batches", client, local_round)
        return Member(base, samples, self._spec.training, order)

    def averaged(self, models: Sequence[Vector], weights: Sequence[float]) -> Vector:
        """The weighted sum of models, rows in the order given; see `parameters.averaged`."""
        return parameters.averaged(models, weights)

    def scores(self, model: Vector, dataset: str = TEST) -> dict[str, float]:
        """The task's metrics of `model` on held-out data of all sites.

        `dataset`: TEST, FINAL for those that take long as well, or VALIDATION, on data apart from
        the test's and for those alone that a run can aim at.
        """
        if dataset not in (TEST, FINAL, VALIDATION):
            allowed = f"{TEST!r}, {FINAL!r}, {VALIDATION!r}"
            raise ValueError(f"no data set is called {dataset!r}; allowed: {allowed}")
        held_out = self._held_out[VALIDATION if dataset == VALIDATION else TEST]
        final = held_out.final_metrics if dataset == FINAL else None
        self._flat.load(model)
        self._flat.module.eval()
        with torch.inference_mode(), devices.drawing(self._evaluation_seed, self._device):
            found = (final or held_out.metrics)(self._outputs(held_out), held_out.labels)
        if dataset == VALIDATION:
            found = {metric: found[metric] for metric in self._spec.task.metrics}
        return found

    def _outputs(self, held_out: HeldOut) -> Iterator[torch.Tensor]:
        size = self._task.held_out_batch or len(held_out.inputs)
        return (self._flat.module(batch) for batch in torch.split(held_out.inputs, size))


_GROUPS: dict[Hashable, Group] = {}


TrainingJob = tuple[Learner, Vector, int, int]
"""One `learner.trained(base, client, local_round)` to be computed beside others."""


def trained_together(jobs: Sequence[TrainingJob]) -> list[Vector]:
    """The result of each job's `trained` [P], bit for bit, in the order given.

    1 to GROUP_LIMIT jobs whose learners' descriptions have one `together`, which is not None; else
    raises ValueError. Jobs with like numbers of steps waste least. Raises Refusal if the first
    use of a network shows that it can't be compiled.
    """
    groups = {id(learner.group): learner.group for learner, *_ in jobs}
    group = next(iter(groups.values()), None)
    if group is None or len(groups) > 1:
        raise ValueError("these jobs can't be trained in one group")
    return group.trained([one.member(base, client, number) for one, base, client, number in jobs])


_LOADED: dict[tuple[str, torch.device], Task] = {}


def load_data(spec: LearnerSpec, tell: Tell = lambda line: None) -> Task:
    """The data on its device; loaded once for all partitions of the same.

    `tell` is told what takes long. Raises Refusal if it can't be had as the description asks.
    """
    device = devices.device(spec.training.device)
    key = spec.task.data_key(spec.clients), device
    if key not in _LOADED:
        _LOADED[key] = spec.task.load(spec.clients, tell).to(device)
    return _LOADED[key]
