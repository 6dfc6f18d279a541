"""What is made of models without data: weighted sums, and the rules of a server's optimiser.

A vector [P] begins with the parameters, and buffers follow. Sums with negative weights and rules
are computed in double precision and one entry at a time, so they round once, and alike everywhere.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch

from models.parameters import Vector

Doubles = npt.NDArray[np.float64]


def combined(models: Sequence[Vector], weights: Sequence[float], parameters: int) -> Vector:
    """The weighted sum of models [N] of length P, whose first entries are `parameters`.

    `weights` [N] should sum to 1. Where some are negative, buffers are averaged by the others: a
    variance that is extrapolated may be less than nothing.
    """
    if min(weights) >= 0:
        return _averaged(models, weights)
    positive = [max(0.0, weight) for weight in weights]
    shares = [weight / sum(positive) for weight in positive]
    result = _sum(models, weights)
    result[parameters:] = _sum([model[parameters:] for model in models], shares)
    return result.astype(np.float32)


def _averaged(models: Sequence[Vector], weights: Sequence[float]) -> Vector:
    """One matrix-vector product; the weights are rounded to float32 first."""
    matrix = torch.from_numpy(np.stack(models))
    row = torch.tensor(weights, dtype=torch.float32)
    return (row @ matrix).numpy()


def direction(models: Sequence[Vector], weights: Sequence[float], parameters: int) -> Vector:
    """The weighted sum of the parameters of models or directions [N]; buffers are 0."""
    result = _sum(models, weights)
    result[parameters:] = 0.0
    return result.astype(np.float32)


def _sum(vectors: Sequence[Vector], weights: Sequence[float]) -> Doubles:
    total = np.zeros(len(vectors[0]))
    for vector, weight in zip(vectors, weights, strict=True):
        total += np.multiply(vector, weight, dtype=np.float64)
    return total


def stepped(
    rule: str, inputs: Sequence[Vector], arguments: Sequence[float], parameters: int
) -> Vector:
    """What the rule of that name in SERVER_RULES makes of its inputs [N] of length P."""
    chosen = SERVER_RULES[rule]
    doubles = (each[:parameters].astype(np.float64) for each in inputs)
    result = np.zeros(len(inputs[0]), dtype=np.float32)
    result[:parameters] = chosen.step(*arguments, *doubles)
    if chosen.gives_model:
        result[parameters:] = inputs[1][parameters:]
    return result


def _adam_square(
    beta: float, tau: float, model: Doubles, mean: Doubles, square: Doubles | None = None
) -> Doubles:
    """v <- beta v + (1 - beta) d^2, where d = mean - model."""
    before = tau**2 if square is None else square
    return beta * before + (1 - beta) * (mean - model) ** 2


def _yogi_square(
    beta: float, tau: float, model: Doubles, mean: Doubles, square: Doubles | None = None
) -> Doubles:
    """v <- v - (1 - beta) d^2 sign(v - d^2), where d = mean - model."""
    before = tau**2 if square is None else square
    change = (mean - model) ** 2
    return before - (1 - beta) * change * np.sign(before - change)


def _adaptive_step(
    rate: float, tau: float, model: Doubles, mean: Doubles, momentum: Doubles, square: Doubles
) -> Doubles:
    """x <- x + rate m / (sqrt(v) + tau)."""
    return model + rate * momentum / (np.sqrt(square) + tau)


class ServerRule(NamedTuple):
    """Called with constants, then vectors of parameters: a model, the mean of its updates, others.

    `gives_model`: with the buffers of the mean; else it's a direction, whose buffers are 0.
    """

    step: Callable[..., Doubles]
    gives_model: bool


SERVER_RULES: dict[str, ServerRule] = {
    "adam_square": ServerRule(_adam_square, gives_model=False),
    "yogi_square": ServerRule(_yogi_square, gives_model=False),
    "adaptive_step": ServerRule(_adaptive_step, gives_model=True),
}
"""Of Reddi et al., "Adaptive Federated Optimization", ICLR 2021, arXiv 2003.00295, algorithm 2.

Without a square before, it's tau^2, the least that the paper lets it start from.
"""
