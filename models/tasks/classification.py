"""Classification: every sample has one label, and a network gives one number for each class."""

from collections.abc import Iterable
from functools import partial

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import cross_entropy

from models.tasks.task import HeldOut, Task
from sim.record.metrics import class_metric

_losses = partial(cross_entropy, reduction="none")


def classification(
    inputs: torch.Tensor,
    labels: torch.Tensor,
    test: npt.NDArray[np.int64],
    validation: npt.NDArray[np.int64],
) -> Task:
    """A task of these samples; `test` and `validation` are the places of those to hold out.

    `inputs` [n, ...] float32; `labels` [n] int64, from 0 to one less than the number of classes.
    """
    training = np.setdiff1d(np.arange(len(labels)), np.concatenate([test, validation]))
    return Task(
        inputs[training],
        labels[training],
        HeldOut(inputs[test], labels[test], accuracy_and_loss),
        HeldOut(inputs[validation], labels[validation], accuracy_and_loss),
        tuple(inputs.shape[1:]),
        int(labels.max()) + 1,
        cross_entropy,
        _losses,
        by_class=True,
    )


def accuracy_and_loss(outputs: Iterable[torch.Tensor], labels: torch.Tensor) -> dict[str, float]:
    """Means over all samples, and over those of each class that there are."""
    output = torch.cat(list(outputs))
    values = {
        "accuracy": (output.argmax(dim=1) == labels).double().cpu().numpy(),
        "loss": _losses(output, labels).double().cpu().numpy(),
    }
    classes = labels.cpu().numpy()
    sizes = np.bincount(classes)
    means = {metric: float(each.mean()) for metric, each in values.items()}
    for metric, each in values.items():
        sums = np.bincount(classes, weights=each)
        of_classes = zip(sums.tolist(), sizes.tolist(), strict=True)
        means |= {
            class_metric(metric, label): total / size
            for label, (total, size) in enumerate(of_classes)
            if size
        }
    return means
