"""The plan of a group: the very batches that a round alone would see."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from models.arithmetic.exact import batches
from models.arithmetic.places import Member, Plan, State
from models.bits.generators import generator
from models.parameters import FlatModule
from models.training import TrainingSettings

CPU = torch.device("cpu")


def member(samples: int, **length: Any) -> Member:
    training = TrainingSettings(learning_rate=0.1, batch_size=4, **length)
    numbers = np.arange(100, 100 + samples)
    return Member(np.zeros(3, np.float32), numbers, training, generator(1, "batches", samples))


@pytest.mark.parametrize(
    "length", [{"local_epochs": 1}, {"local_epochs": 3}, {"local_steps": 1}, {"local_steps": 9}]
)
def test_a_place_sees_the_batches_of_a_round_alone(length: dict[str, Any]) -> None:
    sizes = sorted([1, 4, 5, 11], key=lambda size: -member(size, **length).steps)
    members = [member(size, **length) for size in sizes]
    plan = Plan(members, 8, 16, CPU)
    for place, size in enumerate(sizes):
        order = generator(1, "batches", size)
        expected = list(batches(size, members[place].training, order))
        for step in range(len(plan.index)):
            used = plan.mask[step, place] == 1
            seen = plan.index[step, place][used]
            alone = expected[step] + 100 if step < len(expected) else torch.empty(0)
            assert seen.tolist() == alone.tolist()
            assert used[: len(seen)].all()
    assert not plan.mask[:, len(sizes) :].any()


def test_members_that_have_finished_stay_as_they_were() -> None:
    flat = FlatModule(torch.nn.Linear(2, 1), CPU)
    bases = [np.full(3, value, np.float32) for value in (1, 2, 3)]
    state = State(flat, bases, 8, memory=1)
    state.keep(2, 3)
    state.shrink(4)
    for tensor in (*state.tensors, *(kept for each in state.memory for kept in each)):
        assert len(tensor) == 4
        tensor += 10
    state.keep(0, 2)
    assert state.models()[:3].tolist() == [[11] * 3, [12] * 3, [3] * 3]
