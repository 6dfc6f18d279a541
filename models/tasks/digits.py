"""Handwritten digits: 1,797 real images of 8x8 pixels in ten classes, shipped with scikit-learn.

Source: E. Alpaydin, C. Kaynak, "Optical Recognition of Handwritten Digits", UCI, 1998.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch.nn import functional

from models.generators import generator
from models.settings import DigitsSettings
from models.tasks.task import Report, Task


def digits(settings: DigitsSettings, clients: int, report: Report) -> Task:
    """The same data for any number of `clients`, and nothing to `report`.

    Inputs [n, 1, 8, 8] in 0..1; the held-out split is stratified by class.
    """
    data = load_digits()
    images = (data.images / 16.0).astype(np.float32)[:, None]
    labels = data.target.astype(np.int64)
    draws = generator(settings.split_seed, "digits_test_split")
    held_out = np.zeros(len(labels), dtype=np.bool_)
    for label in range(10):
        members = draws.permutation(np.flatnonzero(labels == label))
        held_out[members[: max(1, round(settings.test_fraction * len(members)))]] = True
    inputs, targets = torch.from_numpy(images), torch.from_numpy(labels)
    test = torch.from_numpy(held_out)
    return Task(
        inputs[~test],
        targets[~test],
        inputs[test],
        targets[test],
        (1, 8, 8),
        10,
        functional.cross_entropy,
        _metrics,
        partial(functional.cross_entropy, reduction="none"),
    )


def _metrics(outputs: Iterable[torch.Tensor], labels: torch.Tensor) -> dict[str, float]:
    output = torch.cat(list(outputs))
    correct = (output.argmax(dim=1) == labels).sum().item()
    return {
        "accuracy": correct / len(labels),
        "loss": functional.cross_entropy(output, labels).item(),
    }
