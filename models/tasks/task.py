"""What a task is to training: samples, held-out samples, a loss and metrics."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch

Metrics = Callable[[Iterable[torch.Tensor], torch.Tensor], dict[str, float]]
"""From a network's outputs, batch after batch in the order of the labels, and the labels."""

Loss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Called with a network's output and the labels."""

_TENSORS = ("inputs", "labels", "test_inputs", "test_labels")


@dataclass(frozen=True)
class Task:
    """Data on one device, and how a network's output is judged.

    `inputs` [n, ...] float32, `labels` [n, ...] int64 for training; `test_*` the held-out samples
    of all sites. `input_shape`, `outputs`: what a network must accept and give. `loss(output,
    labels)` is a differentiable scalar; `losses(output, labels)` [n] the loss of each sample, if
    `loss` is their mean, else None.

    `metrics`: name -> value of the held-out samples; `final_metrics`: these and, at a run's end,
    others that take long. A metric of one site's samples alone ends in `site_metric("", site)`.
    `sites` [n]: the client of each training sample, or None if a partition has to deal them out.
    `test_batch`: how many held-out samples a network sees at once; None: all.
    """

    inputs: torch.Tensor
    labels: torch.Tensor
    test_inputs: torch.Tensor
    test_labels: torch.Tensor
    input_shape: tuple[int, ...]
    outputs: int
    loss: Loss
    metrics: Metrics
    losses: Loss | None = None
    final_metrics: Metrics | None = None
    sites: npt.NDArray[np.int64] | None = None
    test_batch: int | None = None

    @cached_property
    def digest(self) -> str:
        """Names the samples by their content."""
        found = hashlib.sha256()
        for name in _TENSORS:
            tensor = getattr(self, name)
            found.update(repr(tuple(tensor.shape)).encode())
            found.update(tensor.cpu().numpy().tobytes())
        if self.sites is not None:
            found.update(self.sites.tobytes())
        return found.hexdigest()

    def to(self, device: torch.device) -> Task:
        """The same task with its data on `device`."""
        return replace(self, **{name: getattr(self, name).to(device) for name in _TENSORS})
