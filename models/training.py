"""One local round: a pure function of (vector, samples, batch order, hyperparameters)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from models.settings import TrainingSettings

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]

Tensors = tuple[torch.Tensor, ...]
Update = Callable[[Tensors], None]


def _descent(parameters: list[nn.Parameter], settings: TrainingSettings) -> Update:
    """Stochastic gradient descent, with momentum if the settings say so.

    The arithmetic of torch.optim.SGD, bit for bit; without its bookkeeping a step of a small
    network takes two thirds of the time.
    """
    momentum = settings.momentum if settings.optimizer == "momentum" else 0.0
    velocity: Tensors = ()
    weights: Tensors = tuple(parameters)

    def update(gradients: Tensors) -> None:
        nonlocal velocity
        if settings.weight_decay:
            gradients = torch._foreach_add(gradients, weights, alpha=settings.weight_decay)
        if momentum and velocity:
            torch._foreach_mul_(velocity, momentum)
            torch._foreach_add_(velocity, gradients)
        elif momentum:
            velocity = tuple(gradient.clone() for gradient in gradients)
        torch._foreach_add_(weights, velocity or gradients, alpha=-settings.learning_rate)

    return update


def _adam(parameters: list[nn.Parameter], settings: TrainingSettings) -> Update:
    optimizer = torch.optim.Adam(
        parameters, settings.learning_rate, weight_decay=settings.weight_decay
    )

    def update(gradients: Tensors) -> None:
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient
        optimizer.step()

    return update


# Called with (parameters, settings) at the start of a local round; applies one step's gradients.
OPTIMIZERS: dict[str, Callable[[list[nn.Parameter], TrainingSettings], Update]] = {
    "sgd": _descent,
    "momentum": _descent,
    "adam": _adam,
}


def steps_per_round(samples: int, settings: TrainingSettings) -> int:
    """Optimiser steps in one local round; the last batch of an epoch may be smaller."""
    if settings.local_steps is not None:
        return settings.local_steps
    assert settings.local_epochs is not None
    return settings.local_epochs * -(-samples // settings.batch_size)


def epochs(
    samples: int, settings: TrainingSettings, generator: np.random.Generator
) -> Iterator[npt.NDArray[np.int64]]:
    """The order [samples] of each epoch of a local round; the round may end within the last."""
    left = steps_per_round(samples, settings)
    while left > 0:
        yield generator.permutation(samples)
        left -= -(-samples // settings.batch_size)


def batches(
    samples: int, settings: TrainingSettings, generator: np.random.Generator
) -> Iterator[torch.Tensor]:
    """Sample indices of each step: epoch after epoch, each in a new random order."""
    steps = (
        batch
        for order in epochs(samples, settings, generator)
        for batch in torch.split(torch.from_numpy(order), settings.batch_size)
    )
    return itertools.islice(steps, steps_per_round(samples, settings))


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
    parameters = list(module.parameters())
    update = OPTIMIZERS[settings.optimizer](parameters, settings)
    for batch in batches(len(labels), settings, generator):
        batch = batch.to(labels.device)
        gradients = torch.autograd.grad(loss(module(inputs[batch]), labels[batch]), parameters)
        with torch.no_grad():
            update(gradients)
