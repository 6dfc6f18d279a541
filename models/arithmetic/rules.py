"""Optimisers as functions: one step of one parameter, for steps that are compiled together.

Those of `models.arithmetic.exact` change a module in place and so can't be vmapped. The formulas
are those of torch.optim; hyperparameters are tensors, so models that differ in them share one
compiled step.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from models.training import TrainingSettings

Tensors = tuple[torch.Tensor, ...]
# Called with (weight, gradient, memory, hyperparameters [3], corrections [2]); gives the new
# weight and the new memory.
Step = Callable[
    [torch.Tensor, torch.Tensor, Tensors, torch.Tensor, torch.Tensor],
    tuple[torch.Tensor, Tensors],
]

BETAS = (0.9, 0.999)
EPSILON = 1e-8


@dataclass(frozen=True)
class Rule:
    """`memory`: tensors that it keeps for each parameter, zero at the start of a local round."""

    memory: int
    step: Step


def hyperparameters(settings: TrainingSettings) -> tuple[float, float, float]:
    """What a rule reads of a model's settings."""
    return settings.learning_rate, settings.momentum, settings.weight_decay


def corrections(steps: int) -> npt.NDArray[np.float32]:
    """Adam's bias corrections [steps, 2]: factors of the mean and of the root of the square.

    Computed here in double precision: the compiled step would lose digits in 1 - 0.999^t.
    """
    count = np.arange(1, steps + 1, dtype=np.float64)
    first, second = (1 - beta**count for beta in BETAS)
    return np.stack([1 / first, 1 / np.sqrt(second)], axis=1).astype(np.float32)


def _sgd(
    weight: torch.Tensor,
    gradient: torch.Tensor,
    memory: Tensors,
    hyper: torch.Tensor,
    correction: torch.Tensor,
) -> tuple[torch.Tensor, Tensors]:
    rate, _, decay = hyper
    return weight - rate * (gradient + decay * weight), ()


def _momentum(
    weight: torch.Tensor,
    gradient: torch.Tensor,
    memory: Tensors,
    hyper: torch.Tensor,
    correction: torch.Tensor,
) -> tuple[torch.Tensor, Tensors]:
    rate, momentum, decay = hyper
    velocity = momentum * memory[0] + (gradient + decay * weight)
    return weight - rate * velocity, (velocity,)


def _adam(
    weight: torch.Tensor,
    gradient: torch.Tensor,
    memory: Tensors,
    hyper: torch.Tensor,
    correction: torch.Tensor,
) -> tuple[torch.Tensor, Tensors]:
    """Kingma and Ba 2015, arXiv 1412.6980."""
    rate, _, decay = hyper
    of_mean, of_root = correction
    gradient = gradient + decay * weight
    mean = BETAS[0] * memory[0] + (1 - BETAS[0]) * gradient
    square = BETAS[1] * memory[1] + (1 - BETAS[1]) * gradient * gradient
    change = rate * of_mean * mean / (torch.sqrt(square) * of_root + EPSILON)
    return weight - change, (mean, square)


RULES: dict[str, Rule] = {
    "sgd": Rule(0, _sgd),
    "momentum": Rule(1, _momentum),
    "adam": Rule(2, _adam),
}
