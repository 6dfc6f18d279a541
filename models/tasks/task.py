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

_HASHED_AT_ONCE = 1_000


@dataclass(frozen=True)
class HeldOut:
    """Samples of all sites that nobody trains on, and how a network's output for them is judged.

    `inputs` [n, ...] float32, `labels` [n, ...] int64, or float32 where numbers are learned.
    `metrics`: name -> value; `final_metrics`: these and, at a run's end, others that take long. The
    name of a metric of one site's samples alone is a `site_metric`, that of one class's a
    `class_metric`.
    """

    inputs: torch.Tensor
    labels: torch.Tensor
    metrics: Metrics
    final_metrics: Metrics | None = None

    def to(self, device: torch.device) -> HeldOut:
        """The same with its samples on `device`."""
        return replace(self, inputs=self.inputs.to(device), labels=self.labels.to(device))


@dataclass(frozen=True)
class Task:
    """Data on one device, and how a network's output is judged.

    `inputs` [n, ...] float32, `labels` [n, ...] int64, or float32 where numbers are learned, for
    training. `test` is what results are measured on, `validation` what decisions may look at;
    nobody is in two of the three. `input_shape`, `outputs`: what a network must accept and give.
    `loss(output, labels)` is a differentiable scalar; `losses(output, labels)` [n] the loss of each
    sample, if `loss` is their mean, else None.

    `sites` [n]: the client of each training sample, or None if a partition has to deal them out.
    `by_class`: labels [n] are classes; without sites each metric is given by class too, as a
    `class_metric`. A task with neither can't judge a model on one client's kind of data, unless its
    settings can (`tested`). `held_out_batch`: how many held-out samples a network sees at once;
    None: all. `notes`: what was assumed of the user's files, or makes scores on them doubtful, in a
    line each; a run's cautions have them. `site_names` [clients]: what the user's files call the
    site that each client is; empty where no file does.
    """

    inputs: torch.Tensor
    labels: torch.Tensor
    test: HeldOut
    validation: HeldOut
    input_shape: tuple[int, ...]
    outputs: int
    loss: Loss
    losses: Loss | None = None
    sites: npt.NDArray[np.int64] | None = None
    by_class: bool = False
    held_out_batch: int | None = None
    notes: tuple[str, ...] = ()
    site_names: tuple[str, ...] = ()

    @cached_property
    def digest(self) -> str:
        """Names the samples by their content."""
        found = hashlib.sha256()
        for samples in (self, self.test, self.validation):
            for tensor in (samples.inputs, samples.labels):
                found.update(repr(tuple(tensor.shape)).encode())
                # By and by: data may be mapped that main memory would not hold twice.
                for rows in torch.split(tensor, _HASHED_AT_ONCE):
                    found.update(np.ascontiguousarray(rows.cpu().numpy()).data)
        if self.sites is not None:
            found.update(np.ascontiguousarray(self.sites).data)
        return found.hexdigest()

    def to(self, device: torch.device) -> Task:
        """The same task with its data on `device`."""
        return replace(
            self,
            inputs=self.inputs.to(device),
            labels=self.labels.to(device),
            test=self.test.to(device),
            validation=self.validation.to(device),
        )
