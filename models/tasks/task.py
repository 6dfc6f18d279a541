"""What a task is to training: samples, held-out samples, a loss and metrics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch


@dataclass(frozen=True)
class Task:
    """Data on one device, and how a network's output is judged.

    `inputs` [n, ...] float32, `labels` [n] int64 for training; `test_*` the held-out samples of
    all sites. `input_shape`, `outputs`: what a network must accept and give. `loss(output,
    labels)` is a differentiable scalar; `metrics(output, labels)` a name -> value mapping.
    `losses(output, labels)` [n]: the loss of each sample, if `loss` is their mean, else None.
    """

    inputs: torch.Tensor
    labels: torch.Tensor
    test_inputs: torch.Tensor
    test_labels: torch.Tensor
    input_shape: tuple[int, ...]
    outputs: int
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
    metrics: Callable[[torch.Tensor, torch.Tensor], dict[str, float]]
    losses: Callable[[torch.Tensor, torch.Tensor], torch.Tensor] | None = None

    def to(self, device: torch.device) -> Task:
        """The same task with its data on `device`."""
        return replace(
            self,
            inputs=self.inputs.to(device),
            labels=self.labels.to(device),
            test_inputs=self.test_inputs.to(device),
            test_labels=self.test_labels.to(device),
        )
