"""What a task is to training: samples, held-out samples, a loss and metrics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Task:
    """Data on the CPU, and how a network's output is judged.

    `inputs` [n, ...] float32, `labels` [n] int64 for training; `test_*` the held-out samples of
    all sites. `input_shape`, `outputs`: what a network must accept and give. `loss(output,
    labels)` is a differentiable scalar; `metrics(output, labels)` a name -> value mapping.
    """

    inputs: torch.Tensor
    labels: torch.Tensor
    test_inputs: torch.Tensor
    test_labels: torch.Tensor
    input_shape: tuple[int, ...]
    outputs: int
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    metrics: Callable[[torch.Tensor, torch.Tensor], dict[str, float]]
