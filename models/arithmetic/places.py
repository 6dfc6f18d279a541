"""The arrays of a group of local rounds: one row a place, for members sorted by their steps.

What a group reads is its plan, what it changes its state; the loop in `models.arithmetic.batched`
only walks along them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from models.arithmetic.rules import corrections, hyperparameters
from models.parameters import FlatModule, Vector
from models.training import TrainingSettings, epochs, steps_per_round

Tensors = tuple[torch.Tensor, ...]


@dataclass(frozen=True)
class Member:
    """One local round to train.

    `base` [P]: the model to begin with; `samples` [n]: the client's samples by their number in the
    task's data; `order` draws the batches.
    """

    base: Vector
    samples: npt.NDArray[np.int64]
    training: TrainingSettings
    order: np.random.Generator

    @property
    def steps(self) -> int:
        """Optimiser steps in this round."""
        return steps_per_round(len(self.samples), self.training)


class Plan:
    """Which samples each place sees at each step.

    `index` [steps, places, width] into the task's data, `mask` [steps, places, width] with 1 for
    samples and 0 for filling, `corrections` [steps, 2], `hyper` [places, 3]; see `rules`.
    """

    def __init__(
        self, members: Sequence[Member], places: int, width: int, device: torch.device
    ) -> None:
        steps = members[0].steps
        index = np.zeros((steps, places, width), dtype=np.int64)
        mask = np.zeros((steps, places, width), dtype=np.float32)
        hyper = np.zeros((places, 3), dtype=np.float32)
        for place, member in enumerate(members):
            step, column, sample = _batches(member)
            index[step, place, column] = sample
            mask[step, place, column] = 1
            hyper[place] = hyperparameters(member.training)
        self.index = torch.from_numpy(index).to(device)
        self.mask = torch.from_numpy(mask).to(device)
        self.hyper = torch.from_numpy(hyper).to(device)
        self.corrections = torch.from_numpy(corrections(steps)).to(device)


def _batches(member: Member) -> tuple[npt.NDArray[np.int64], ...]:
    """Those of `models.arithmetic.exact`: step, place in the batch and sample of each draw."""
    count, size = len(member.samples), member.training.batch_size
    order = np.concatenate(list(epochs(count, member.training, member.order)))
    epoch, within = np.divmod(np.arange(len(order)), count)
    step = epoch * -(-count // size) + within // size
    used = np.searchsorted(step, member.steps)
    return step[:used], (within % size)[:used], member.samples[order[:used]]


class State:
    """What steps change, one row a place: `tensors` of the models, and for each parameter what
    the optimiser remembers (`memory`)."""

    def __init__(self, flat: FlatModule, bases: Sequence[Vector], places: int, memory: int) -> None:
        """`memory`: how many tensors the optimiser keeps for each parameter."""
        rows = np.zeros((places, flat.length), dtype=np.float32)
        for place, base in enumerate(bases):
            rows[place] = base
        self._matrix = torch.from_numpy(rows).to(flat.device)
        self._views = flat.views(self._matrix)
        # One memory each: compiled code writes to all of them and must know them apart.
        self.tensors: Tensors = tuple(
            view.clone(memory_format=torch.contiguous_format) for view in self._views
        )
        self.memory: tuple[Tensors, ...] = tuple(
            tuple(torch.zeros_like(tensor) for _ in range(memory))
            for tensor in self.tensors[: flat.parameters]
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
        result: npt.NDArray[np.float32] = self._matrix.cpu().numpy()
        return result
