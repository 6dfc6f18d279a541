"""One local round: a pure function of (vector, samples, batch order, hyperparameters)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import nn

from models.settings import TrainingSettings

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

OPTIMIZERS: dict[str, Callable[[list[nn.Parameter], TrainingSettings], torch.optim.Optimizer]] = {
    "sgd": lambda parameters, settings: torch.optim.SGD(
        parameters, settings.learning_rate, weight_decay=settings.weight_decay
    ),
    "momentum": lambda parameters, settings: torch.optim.SGD(
        parameters, settings.learning_rate, settings.momentum, weight_decay=settings.weight_decay
    ),
    "adam": lambda parameters, settings: torch.optim.Adam(
        parameters, settings.learning_rate, weight_decay=settings.weight_decay
    ),
}


def steps_per_round(samples: int, settings: TrainingSettings) -> int:
    """Optimiser steps in one local round; the last batch of an epoch may be smaller."""
    if settings.local_steps is not None:
        return settings.local_steps
    assert settings.local_epochs is not None
    return settings.local_epochs * -(-samples // settings.batch_size)


def batches(
    samples: int, settings: TrainingSettings, generator: np.random.Generator
) -> Iterator[torch.Tensor]:
    """Sample indices of each step: epoch after epoch, each in a new random order."""
    left = steps_per_round(samples, settings)
    while left:
        order = torch.from_numpy(generator.permutation(samples))
        for batch in torch.split(order, settings.batch_size)[:left]:
            yield batch
            left -= 1


def fine_tune(
    module: nn.Module,
    inputs: torch.Tensor,
    labels: torch.Tensor,
    loss: Loss,
    settings: TrainingSettings,
    generator: np.random.Generator,
) -> None:
    """Train `module` in place on inputs [n, ...] and labels [n]; a fresh optimiser each time."""
    module.train()
    optimizer = OPTIMIZERS[settings.optimizer](list(module.parameters()), settings)
    for batch in batches(len(labels), settings, generator):
        optimizer.zero_grad()
        torch.autograd.backward(loss(module(inputs[batch]), labels[batch]))
        optimizer.step()
