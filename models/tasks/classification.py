"""Classification: every sample has one label, and a network gives one number for each class."""

from collections.abc import Iterable
from functools import cache, partial

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
    classes = labels.cpu().numpy()
    sizes = np.bincount(classes)
    there = tuple(np.flatnonzero(sizes).tolist())
    means = {}
    for metric, values in (
        ("accuracy", output.argmax(dim=1) == labels),
        ("loss", _losses(output, labels)),
    ):
        sums = np.bincount(classes, weights=values.cpu().numpy())
        means[metric] = float(sums.sum()) / len(classes)
        of_classes = (sums[sizes > 0] / sizes[sizes > 0]).tolist()
        means |= dict(zip(_names(metric, there), of_classes, strict=True))
    return means


@cache
def _names(metric: str, labels: tuple[int, ...]) -> tuple[str, ...]:
    return tuple(class_metric(metric, label) for label in labels)
