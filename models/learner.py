"""The data plane of one seed: the operations on flat vectors, built from a description.

It is all that the simulator sees of this tower, in its own process or in a worker's.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
import torch

from models import operations
from models.arithmetic.batched import GROUP_LIMIT as GROUP_LIMIT
from models.arithmetic.batched import Group, Member
from models.arithmetic.exact import fine_tune
from models.bits import devices, generator
from models.bits.fingerprint import Outside, outside_named, outside_of
from models.networks import NETWORKS, ModelSettings, network, own_network
from models.parameters import FlatModule, Vector
from models.partitions.settings import Ints
from models.tasks import TASKS
from models.tasks.settings import TaskSettings, Tell
from models.tasks.task import HeldOut, Task
from models.training import ALL_CLIENTS, TrainingSettings, steps_per_round
from sim.record.errors import Refusal
from sim.record.metrics import FINAL, TEST, VALIDATION, LabelShares
from sim.record.settings.base import Settings
from sim.record.settings.kinds import OneOf


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
    def outside(self) -> Outside:
        """What a user adds to it."""
        return self.outside_of_models | outside_named(self.task.own_metrics)

    @property
    def outside_of_models(self) -> Outside:
        """The same without metrics, which decide scores, but no model."""
        return outside_of(self.task, self.model) | outside_named(self.task.own_losses)

    def sealed(self) -> LearnerSpec | Sealed:
        """What to send of it: where it is read, a user's classes need not be known yet."""
        if not self.outside.definitions:
            return self
        kinds = _Kinds(task=self.task, model=self.model).model_dump_json()
        return Sealed(kinds, self.training, self.clients, self.seed)

    @property
    def together(self) -> Hashable | None:
        """Equal for descriptions whose `trained` operations may share a group; None: they never do.

        Neither clients nor seeds matter, the data's included, nor learning rates, lengths of local
        rounds and how strong a proximal term is, but whether there is one.
        """
        training = self.training
        if training.arithmetic == "exact":
            return None
        data = self.task.model_copy(update={"data_seed": 0}).data_key(self.clients)
        step = training.optimizer, training.proximal > 0, training.batch_size
        return data, self.model, step, training.device


@dataclass(frozen=True)
class Sealed:
    """A learner's description with its kinds in words, JSON; equal if the descriptions are."""

    kinds: str
    training: TrainingSettings
    clients: int
    seed: int

    def opened(self) -> LearnerSpec:
        """The description, in the user's code that is active. Raises Refusal if it isn't there."""
        kinds = _Kinds.model_validate_json(self.kinds)
        return LearnerSpec(kinds.task, kinds.model, self.training, self.clients, self.seed)


class _Kinds(Settings):
    """What may be a user's own in a description."""

    task: Annotated[TaskSettings, OneOf(TASKS, "name")]
    model: Annotated[ModelSettings, OneOf(NETWORKS, "name", own_network)]


class Learner:
    """Data of every client, and the operations; a model is a float32 vector [vector_length].

    `samples`, `steps` [clients]: training samples, and optimiser steps in a local round; `group`:
    where rounds are trained beside others, None in exact arithmetic.
    Raises Refusal if the data can't be divided among the clients as the description asks, if
    there is no such device, or if the network can't be trained in batched arithmetic.
    """

    def __init__(self, spec: LearnerSpec) -> None:
        self._spec = spec
        self._device = devices.device(spec.training.device)
        self._task = load_data(spec)
        parts = spec.task.deal(self._task, spec.clients, self._dealing())
        self._parts = _checked(parts, spec.clients, len(self._task.labels))
        test = spec.task.tested(self._task, spec.clients, self._dealing())
        self._evaluation_seed = self._torch_seed("evaluation")
        with devices.drawing(self._torch_seed("initial_weights"), torch.device("cpu")):
            module = network(spec.model, self._task)
        self._flat = FlatModule(module, self._device)
        self._initial = self._flat.vector()
        self.together = spec.together
        self.layout = self._flat.layout
        self.vector_length = self._flat.length
        self.samples = tuple(len(part) for part in self._parts)
        self.pooled_samples = len(self._task.labels)
        self.steps = tuple(steps_per_round(n, spec.training) for n in self.samples)
        self.pooled_steps = steps_per_round(self.pooled_samples, spec.training)
        self._held_out = {
            dataset: replace(samples, inputs=self._flat.arranged(samples.inputs))
            for dataset, samples in ((TEST, test), (VALIDATION, self._task.validation))
        }
        self.group = self._shared_group()
        # Each client's data stands alone: one copy at the first use instead of one at each step.
        self._data: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def _dealing(self) -> np.random.Generator:
        return generator(self._spec.seed, "data_partition")

    def _torch_seed(self, purpose: str, *key: int) -> int:
        return int(generator(self._spec.seed, purpose, *key).integers(2**63))

    def _shared_group(self) -> Group | None:
        """The group of all learners of this process with the same `together` and the same loss."""
        training, task = self._spec.training, self._task
        if self.together is None:
            return None
        # A loss may hold what is drawn with the data, as classes' weights.
        key = self.together, task.losses, task.input_shape, task.outputs
        if key not in _GROUPS:
            _GROUPS[key] = Group(self._flat, task, training)
        return _GROUPS[key]

    @property
    def data_digest(self) -> str:
        """Names the samples, of training and held out, by their content."""
        return self._task.digest

    @property
    def notes(self) -> tuple[str, ...]:
        """What is doubtful about the data; see `Task`."""
        return self._task.notes

    @property
    def site_names(self) -> tuple[str, ...]:
        """What the data call each client's site; see `Task`."""
        return self._task.site_names

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

    def trained(
        self, base: Vector, client: int, local_round: int, correction: Vector | None = None
    ) -> Vector:
        """`base` fine-tuned on the client's data; the batch order belongs to the local round.

        `correction` [P], a direction, is added to each step's gradient.
        Raises Refusal as `TrainingSettings.check_correction` does.
        """
        training = self._spec.training
        if correction is not None:
            training.check_correction()
        if self.group is not None:
            return self.group.trained([self.member(base, client, local_round)])[0]
        if client not in self._data:
            inputs, labels = self._samples(client)
            self._data[client] = self._flat.arranged(inputs), labels
        self._flat.load(base)
        order = self._order(client, local_round)
        added = () if correction is None else self._flat.of_parameters(correction)
        with devices.drawing(self._torch_seed("layers", client, local_round), self._device):
            data, loss = self._data[client], self._task.loss
            fine_tune(self._flat.module, *data, loss, training, order, added)
        return self._flat.vector()

    def member(self, base: Vector, client: int, local_round: int) -> Member:
        """`trained` with these arguments, as a member of a group that may train it."""
        order = self._order(client, local_round)
        return Member(base, *self._samples(client), self._spec.training, order)

    def _samples(self, client: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs and labels of the client, or of all."""
        inputs, labels = self._task.inputs, self._task.labels
        if client == ALL_CLIENTS:
            return inputs, labels
        own = torch.from_numpy(self._parts[client]).to(self._device)
        return inputs[own], labels[own]

    def _order(self, client: int, local_round: int) -> np.random.Generator:
        return generator(self._spec.seed, "batches", client, local_round)

    def combined(self, models: Sequence[Vector], weights: Sequence[float]) -> Vector:
        """The weighted sum of models, rows in the order given; see `operations.combined`."""
        return operations.combined(models, weights, self._flat.parameter_length)

    def direction(self, models: Sequence[Vector], weights: Sequence[float]) -> Vector:
        """The weighted sum of their parameters; see `operations.direction`."""
        return operations.direction(models, weights, self._flat.parameter_length)

    def stepped(self, rule: str, inputs: Sequence[Vector], arguments: Sequence[float]) -> Vector:
        """What a server's optimiser makes of its inputs; see `operations.SERVER_RULES`."""
        return operations.stepped(rule, inputs, arguments, self._flat.parameter_length)

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
            found = {metric: found[metric] for metric in self._spec.task.directions}
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
    kinds = {learner.together for learner, *_ in jobs}
    if len(kinds) != 1 or None in kinds:
        raise ValueError("these jobs can't be trained in one group")
    by_group: dict[Group, list[int]] = {}
    for place, (learner, *_) in enumerate(jobs):
        assert learner.group is not None
        by_group.setdefault(learner.group, []).append(place)
    models: dict[int, Vector] = {}
    for group, places in by_group.items():
        of_group = [jobs[place] for place in places]
        members = [one.member(base, client, number) for one, base, client, number in of_group]
        models |= zip(places, group.trained(members), strict=True)
    return [models[place] for place in range(len(jobs))]


_LOADED: dict[tuple[type[TaskSettings], str, torch.device], Task] = {}


def _checked(parts: Sequence[Ints], clients: int, samples: int) -> Sequence[Ints]:
    """Each client's samples, ascending. Raises Refusal unless each sample is at most one's."""
    path = ("task", "partition")
    try:
        dealt = [np.sort(np.asarray(part)) for part in parts]
    except (TypeError, ValueError):
        what = f"`deal` gives a {type(parts).__name__}"
        raise Refusal(what, "a list of arrays, one for each client", path) from None
    if len(dealt) != clients or not all(part.size and part.dtype.kind == "i" for part in dealt):
        sizes = ", ".join(str(part.size) for part in dealt)
        what = f"{len(dealt)} clients get the numbers of {sizes} samples"
        raise Refusal(what, f"some for each of {clients}", path)
    everyones = np.sort(np.concatenate(dealt))
    if everyones[0] < 0 or everyones[-1] >= samples or (np.diff(everyones) == 0).any():
        what = "a sample is dealt that isn't there, or twice"
        raise Refusal(what, f"each number from 0 to {samples - 1} once", path)
    return dealt


def load_data(spec: LearnerSpec, tell: Tell = lambda line: None) -> Task:
    """The data on its device; loaded once for all partitions of the same.

    `tell` is told what takes long. Raises Refusal if it can't be had as the description asks.
    """
    device = devices.device(spec.training.device)
    # By class, too: another program's code may have a task of the same name.
    key = type(spec.task), spec.task.data_key(spec.clients), device
    if key not in _LOADED:
        _LOADED[key] = spec.task.load(spec.clients, tell).to(device)
    return _LOADED[key]
