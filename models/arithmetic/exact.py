"""One local round by itself: a pure function of (vector, samples, batch order, settings)."""

import itertools
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor, nn

from models.tasks.task import Loss
from models.training import TrainingSettings, epochs, steps_per_round

Tensors = tuple[Tensor, ...]
Update = Callable[[Tensors], None]
Steer = Callable[[Tensors], Tensors]


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


def batches(
    samples: int, settings: TrainingSettings, generator: np.random.Generator
) -> Iterator[Tensor]:
    """Sample indices of each step: epoch after epoch, each in a new random order."""
    steps = (
        batch
        for order in epochs(samples, settings, generator)
        for batch in torch.split(torch.from_numpy(order), settings.batch_size)
    )
    return itertools.islice(steps, steps_per_round(samples, settings))


def _steering(parameters: list[nn.Parameter], proximal: float, correction: Tensors) -> Steer:
    """What is added to each step's gradients beside the loss's own; most rounds add nothing.

    `proximal` x (w - anchor): the gradient of FedProx's penalty, Li et al., "Federated Optimization
    in Heterogeneous Networks", MLSys 2020, arXiv 1812.06127, algorithm 2. The anchor is the model
    that the round begins with.
    """
    weights: Tensors = tuple(parameters)
    anchor = tuple(weight.detach().clone() for weight in weights) if proximal else ()

    def steer(gradients: Tensors) -> Tensors:
        if anchor:
            away = torch._foreach_sub(weights, anchor)
            gradients = torch._foreach_add(gradients, away, alpha=proximal)
        if correction:
            gradients = torch._foreach_add(gradients, correction)
        return gradients

    return steer


def fine_tune(
    module: nn.Module,
    inputs: Tensor,
    labels: Tensor,
    loss: Loss,
    settings: TrainingSettings,
    generator: np.random.Generator,
    correction: Tensors = (),
) -> None:
    """Train `module` in place on inputs [n, ...] and labels [n]; a fresh optimiser each time.

    `correction`: what each step adds to the gradient of each parameter; none if left out.
    """
    module.train()
    parameters = list(module.parameters())
    update = OPTIMIZERS[settings.optimizer](parameters, settings)
    steer = _steering(parameters, settings.proximal, correction)
    for batch in batches(len(labels), settings, generator):
        batch = batch.to(labels.device)
        gradients = torch.autograd.grad(loss(module(inputs[batch]), labels[batch]), parameters)
        with torch.no_grad():
            update(steer(gradients))
