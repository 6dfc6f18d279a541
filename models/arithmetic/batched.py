"""Many local rounds at once: the bit class `batched`, for networks too small to keep a CPU busy.

One compiled step trains a group of models side by side, one row, or place, each. A model's bits
don't depend on its group: a step treats its models alike and apart, and each group size is
checked, when it is compiled, to give the same bits in every place as every other size.
"""

# A compiled step can't evaluate the annotations of a function within it.
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.func import grad, vmap

from models.arithmetic.compiled import PATH, compiled, compiler, compiling
from models.arithmetic.functions import (
    Network,
    Rule,
    Tensors,
    corrections,
    hyperparameters,
    network,
    rule_for,
    unknown,
    work,
)
from models.parameters import FlatModule, Vector
from models.tasks.task import Loss, Task
from models.training import TrainingSettings, epochs, steps_per_round
from sim.record.errors import Refusal

GROUP_SIZES = (8, 16, 32)
"""How many models one compiled step trains; a smaller group leaves places idle."""

GROUP_LIMIT = GROUP_SIZES[-1]

LANES = 16
"""Batches are filled up to a multiple of this, the floats in a CPU's widest vector. A row that
begins in the middle of a vector may be computed in another way than one that begins with it."""

WORK_LIMIT = 200_000
"""Multiplications for one sample, forward, above which one model keeps a CPU busy by itself."""

Step = Callable[..., None]
Memory = tuple[Tensors, ...]


def check(flat: FlatModule, task: Task) -> None:
    """Raises Refusal if the network can't be batched here, or if that doesn't pay."""
    compiler()
    allowed = "exact, or batched with a small network of linear, convolution and pooling layers"
    if (layer := unknown(flat.module)) is not None:
        raise Refusal(f"batched arithmetic can't train a network with {layer}", allowed, PATH)
    if task.losses is None or not _has_one_way(task.losses, task):
        raise Refusal("batched arithmetic can't train on this task's loss", allowed, PATH)
    multiplications = work(flat.module, task.inputs[:1])
    if multiplications > WORK_LIMIT:
        what = f"does not pay for a network of {multiplications:,} multiplications a sample"
        allowed += f" (at most {WORK_LIMIT:,})"
        raise Refusal(f"batched arithmetic {what}", allowed, PATH)


def _has_one_way(losses: Loss, task: Task) -> bool:
    """Whether all models of a group go through the same lines of the loss, whatever the numbers."""
    labels = task.labels[:2]
    outputs = torch.zeros(2, len(labels), task.outputs, device=labels.device)
    try:
        vmap(losses)(outputs, labels.expand(2, -1))
    except RuntimeError:
        return False
    return True


@dataclass(frozen=True)
class Member:
    """One local round to train.

    `base` [P]: the model to begin with; `inputs` [n, ...], `labels` [n]: the client's samples;
    `order` draws the batches.
    """

    base: Vector
    inputs: Tensor
    labels: Tensor
    training: TrainingSettings
    order: np.random.Generator

    @property
    def steps(self) -> int:
        """Optimiser steps in this round."""
        return steps_per_round(len(self.labels), self.training)


class Plan:
    """Which samples each place sees at each step.

    `inputs`, `labels`: of all members, one after the other; `index` [steps, places, width] into
    them, `mask` [steps, places, width] with 1 for samples and 0 for filling, `corrections`
    [steps, 2], `hyper` [places, n]; see `functions`.
    """

    def __init__(
        self, members: Sequence[Member], places: int, width: int, device: torch.device
    ) -> None:
        steps = members[0].steps
        index = np.zeros((steps, places, width), dtype=np.int64)
        mask = np.zeros((steps, places, width), dtype=np.float32)
        hyper = np.zeros((places, len(hyperparameters(members[0].training))), dtype=np.float32)
        # Members may be of learners whose data differ: what they train on is brought together.
        self.inputs = torch.cat([member.inputs for member in members])
        self.labels = torch.cat([member.labels for member in members])
        firsts = np.cumsum([0, *(len(member.labels) for member in members)])
        for place, member in enumerate(members):
            step, column, sample = _batches(member)
            index[step, place, column] = firsts[place] + sample
            mask[step, place, column] = 1
            hyper[place] = hyperparameters(member.training)
        self.index, self.mask, self.hyper, self.corrections = (
            torch.from_numpy(each).to(device) for each in (index, mask, hyper, corrections(steps))
        )


def _batches(member: Member) -> tuple[npt.NDArray[np.int64], ...]:
    """Those of `models.arithmetic.exact`: step, place in the batch and sample of each draw."""
    count, size = len(member.labels), member.training.batch_size
    order = np.concatenate(list(epochs(count, member.training, member.order)))
    epoch, within = np.divmod(np.arange(len(order)), count)
    step = epoch * -(-count // size) + within // size
    used = np.searchsorted(step, member.steps)
    return step[:used], (within % size)[:used], order[:used]


class State:
    """What steps change, one row a place: `tensors` of the models, and for each parameter what
    its rule remembers (`memory`)."""

    def __init__(self, flat: FlatModule, bases: Sequence[Vector], places: int, rule: Rule) -> None:
        rows = np.zeros((places, flat.length), dtype=np.float32)
        for place, base in enumerate(bases):
            rows[place] = base
        self._matrix = torch.from_numpy(rows).to(flat.device)
        self._views = flat.layout.views(self._matrix)
        # One memory each: compiled code writes to all of them and must know them apart.
        self.tensors: Tensors = tuple(
            view.clone(memory_format=torch.contiguous_format) for view in self._views
        )
        self.memory: Memory = tuple(
            _at_start(rule, tensor) for tensor in self.tensors[: flat.parameters]
        )

    def keep(self, first: int, last: int) -> None:
        """The members at the places from `first` until `last` have finished."""
        for view, tensor in zip(self._views, self.tensors, strict=True):
            view[first:last] = tensor[first:last]

    def shrink(self, places: int) -> None:
        """Go on with the first places only."""
        self.tensors = tuple(tensor[:places] for tensor in self.tensors)
        self.memory = tuple(tuple(kept[:places] for kept in each) for each in self.memory)

    def models(self) -> npt.NDArray[np.float32]:
        """What was kept [places, P]."""
        return self._matrix.cpu().numpy()


def _at_start(rule: Rule, parameter: Tensor) -> Tensors:
    """What the rule remembers of a parameter when a local round begins."""
    memory = tuple(torch.zeros_like(parameter) for _ in range(rule.memory))
    return (*memory, parameter.clone()) if rule.is_anchored else memory


class Group:
    """Trains rounds of one network with one optimiser and batch size, up to GROUP_LIMIT.

    `task`: one of those that its members learn, which have one loss and samples of one shape.
    `training`: one of their settings, which have one rule.
    Raises Refusal as `check` does, and at the first use of a group size if it can't be compiled.
    """

    def __init__(self, flat: FlatModule, task: Task, training: TrainingSettings) -> None:
        check(flat, task)
        assert isinstance(flat.module, nn.Sequential)
        assert task.losses is not None
        self._flat = flat
        self._task = task
        self._rule = rule_for(training)
        self._batch_size = training.batch_size
        self._proximal = training.proximal
        self._width = -(-self._batch_size // LANES) * LANES
        self._plain_step = _step(network(flat.module), task.losses, self._rule)
        self._steps: dict[int, Step] = {}
        self._witness: bytes | None = None

    def prepare(self) -> None:
        """Compile all group sizes now instead of at their first use."""
        for size in GROUP_SIZES:
            self._step_for(size)

    def trained(self, members: Sequence[Member]) -> list[Vector]:
        """Each member's model after its round [P], in the order given."""
        if not 1 <= len(members) <= GROUP_LIMIT:
            raise ValueError(f"a group of {len(members)}; allowed: 1 to {GROUP_LIMIT}")
        # The longest first, so that at every step those that still run have the first places.
        ranks = sorted(range(len(members)), key=lambda rank: -members[rank].steps)
        models = self._walk([members[rank] for rank in ranks], self._step_for)
        return [models[place].copy() for place in np.argsort(ranks)]

    def _walk(
        self, members: Sequence[Member], step_for: Callable[[int], Step]
    ) -> npt.NDArray[np.float32]:
        """The models [places, P] of members in falling order of their steps."""
        running, size = len(members), _size_for(len(members))
        plan = Plan(members, size, self._width, self._flat.device)
        state = State(self._flat, [member.base for member in members], size, self._rule)
        for number in range(members[0].steps):
            while members[running - 1].steps <= number:
                running -= 1
                state.keep(running, running + 1)
            if _size_for(running) < size:
                size = _size_for(running)
                state.shrink(size)
            self._advance(step_for(size), state, plan, number, size)
        state.keep(0, running)
        return state.models()

    def _advance(self, step: Step, state: State, plan: Plan, number: int, size: int) -> None:
        chosen = plan.index[number, :size].reshape(-1)
        inputs = plan.inputs.index_select(0, chosen)
        inputs = inputs.view(size, self._width, *inputs.shape[1:])
        labels = plan.labels.index_select(0, chosen).view(size, self._width)
        batch = (inputs, labels, plan.mask[number, :size], plan.hyper[:size])
        count, correction = self._flat.parameters, plan.corrections[number]
        with torch.no_grad():
            step(state.tensors[:count], state.tensors[count:], state.memory, batch, correction)

    def _step_for(self, size: int) -> Step:
        """The compiled step of that group size."""
        if size not in self._steps:
            step = compiled(self._plain_step)
            with compiling():
                rows = self._trial(size, step)
            self._witness = self._witness or rows[0].tobytes()
            if any(row.tobytes() != self._witness for row in rows):
                what = "with this machine's compiler a batched result depends on its group"
                raise Refusal(what, "exact", PATH)
            self._steps[size] = step
        return self._steps[size]

    def _trial(self, size: int, step: Step) -> npt.NDArray[np.float32]:
        """The same round in every place of a group: models [size, P] that ought to be equal."""
        training = TrainingSettings(
            learning_rate=0.01,
            weight_decay=0.01,
            proximal=self._proximal,
            batch_size=self._batch_size,
            local_epochs=1,
        )
        # A full batch, if there is so much data, and one with samples masked.
        count = self._batch_size + self._batch_size // 2
        samples = self._task.inputs[:count], self._task.labels[:count]
        base = _generator().uniform(0.01, 0.1, self._flat.length).astype(np.float32)
        members = [Member(base, *samples, training, _generator()) for _ in range(size)]
        return self._walk(members, lambda _: step)


def _generator() -> np.random.Generator:
    return np.random.Generator(np.random.Philox(0))


def _size_for(members: int) -> int:
    return min(size for size in GROUP_SIZES if size >= members)


def _step(forward: Network, losses: Loss, rule: Rule) -> Step:
    """One step of a group; every tensor's first axis is the place, but for the correction's."""

    def one(
        parameters: Tensors, buffers: Tensors, memory: Memory, batch: Tensors, correction: Tensor
    ) -> tuple[Tensors, Tensors, Memory]:
        inputs, labels, mask, hyper = batch

        def loss(parameters: Tensors) -> tuple[Tensor, Tensors]:
            output, after = forward(parameters, buffers, inputs, mask)
            return (losses(output, labels) * mask).sum() / mask.sum(), after

        gradients, after = grad(loss, has_aux=True)(parameters)
        changed = [
            rule.step(weight, gradient, kept, hyper, correction)
            for weight, gradient, kept in zip(parameters, gradients, memory, strict=True)
        ]
        return tuple(new for new, _ in changed), after, tuple(kept for _, kept in changed)

    def step(
        parameters: Tensors, buffers: Tensors, memory: Memory, batch: Tensors, correction: Tensor
    ) -> None:
        ones = vmap(one, in_dims=(0, 0, 0, 0, None))
        weights, after, kept = ones(parameters, buffers, memory, batch, correction)
        held = (*parameters, *buffers, *chain(*memory))
        for old, new in zip(held, (*weights, *after, *chain(*kept)), strict=True):
            old.copy_(new)

    return step
