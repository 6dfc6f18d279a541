"""Losses that networks are trained with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import torch
from torch.nn.functional import cross_entropy, mse_loss

from models.metrics import Target
from sim.record.code import own
from sim.record.errors import Refusal

LossFunction = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


@dataclass(frozen=True)
class Loss:
    """`mean`: of a batch, a differentiable scalar; `each`: of each sample [n], or None.

    Both take a network's outputs [n, outputs], or [n] where numbers are learned, and labels [n].
    Without `each` only the loss of a whole batch is known.
    """

    mean: LossFunction
    each: LossFunction | None


def _squared_error(outputs: torch.Tensor, labels: torch.Tensor, **how: Any) -> torch.Tensor:
    return mse_loss(outputs.reshape_as(labels), labels, **how)


_LOSSES: dict[str, Loss] = {
    "cross_entropy": Loss(cross_entropy, partial(cross_entropy, reduction="none")),
    "mse": Loss(_squared_error, partial(_squared_error, reduction="none")),
}


def loss(name: str, target: Target, outputs: int) -> Loss:
    """The loss called `name`, for a network with so many outputs.

    One of the user's own is a function of a batch's outputs, float32 [n, outputs] as the network
    gives them or [n] where numbers are learned, and its labels [n]. It gives a tensor: each
    sample's loss [n], or one number for the batch. Raises Refusal if it gives anything else.
    """
    return _LOSSES.get(name) or _own_loss(own(name), name, target, outputs)


@cache  # Equal losses are one, so that rounds trained with them may share a group.
def _own_loss(function: LossFunction, name: str, target: Target, outputs: int) -> Loss:
    def each(output: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return function(output if target == "class" else output.reshape_as(labels), labels)

    def mean(output: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return each(output, labels).mean()

    tried = torch.zeros(3, outputs, requires_grad=True)
    found = each(tried, torch.zeros(3, dtype=torch.int64 if target == "class" else torch.float32))
    if not isinstance(found, torch.Tensor) or found.shape not in ((), (3,)):
        what = f"{name} gives {_described(found)} for a batch of 3"
        raise Refusal(what, "a tensor: one number, or one for each sample", ("task", "loss"))
    if not found.requires_grad:
        what = f"{name} does not depend on the outputs by what PyTorch can differentiate"
        raise Refusal(what, "a function of tensors", ("task", "loss"))
    return Loss(mean, each if found.dim() else None)


def _described(found: object) -> str:
    if isinstance(found, torch.Tensor):
        return f"a tensor of shape {tuple(found.shape)}"
    return f"a {type(found).__name__}"
