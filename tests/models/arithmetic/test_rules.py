"""Optimisers as functions follow torch.optim's formulas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import pytest
import torch

from models.arithmetic.rules import RULES, corrections, hyperparameters
from models.training import TrainingSettings

STEPS = 7
Optimizer = Literal["sgd", "momentum", "adam"]


@pytest.mark.parametrize(
    ("name", "build"),
    [
        ("sgd", lambda p: torch.optim.SGD(p, lr=0.05, weight_decay=0.01)),
        ("momentum", lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.8, weight_decay=0.01)),
        ("adam", lambda p: torch.optim.Adam(p, lr=0.05, weight_decay=0.01)),
    ],
)
def test_a_rule_follows_torch_over_several_steps(
    name: Optimizer, build: Callable[[list[torch.Tensor]], torch.optim.Optimizer]
) -> None:
    settings = TrainingSettings(
        optimizer=name,
        learning_rate=0.05,
        momentum=0.8,
        weight_decay=0.01,
        batch_size=1,
        local_steps=STEPS,
    )
    draws = torch.Generator().manual_seed(0)
    weight = torch.randn(5, 3, generator=draws)
    theirs = weight.clone().requires_grad_()
    optimizer = build([theirs])
    rule = RULES[name]
    memory = (torch.zeros_like(weight),) * rule.memory
    hyper, correction = torch.tensor(hyperparameters(settings)), torch.tensor(corrections(STEPS))
    for step in range(STEPS):
        gradient = torch.randn(5, 3, generator=draws)
        weight, memory = rule.step(weight, gradient, memory, hyper, correction[step])
        theirs.grad = gradient
        optimizer.step()
        assert torch.allclose(weight, theirs, rtol=1e-5, atol=1e-6)
    assert len(memory) == rule.memory


def test_corrections_keep_their_digits() -> None:
    first, last = corrections(10_000)[[0, -1]]
    assert first == pytest.approx([10.0, 1 / 0.001**0.5], rel=1e-6)
    assert last == pytest.approx([1.0, 1 / (1 - 0.999**10_000) ** 0.5], rel=1e-6)
