"""Classification: what an output comes to, over all samples and over those of each class."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from models.tasks.classification import accuracy_and_loss, classification
from sim.record.metrics import class_metric

OUTPUT = torch.tensor([[0.0, 0.0, -90.0], [0.0, 0.0, -90.0], [0.0, 30.0, 0.0], [30.0, 0.0, 0.0]])
LABELS = torch.tensor([0, 0, 2, 2])
"""Class 1 is not there."""


@pytest.mark.parametrize("batch", [1, 3, 4])
def test_metrics_of_a_known_output(batch: int) -> None:
    assert accuracy_and_loss(torch.split(OUTPUT, batch), LABELS) == pytest.approx(
        {
            "accuracy": 0.5,
            "loss": (2 * math.log(2) + 30 + 30) / 4,
            class_metric("accuracy", 0): 1.0,
            class_metric("accuracy", 2): 0.0,
            class_metric("loss", 0): math.log(2),
            class_metric("loss", 2): 30.0,
        }
    )


def test_samples_are_trained_on_unless_they_are_held_out() -> None:
    inputs, labels = torch.arange(12.0).reshape(6, 2), torch.tensor([0, 1, 2, 0, 1, 2])
    task = classification(inputs, labels, np.array([1, 5]), np.array([0]))
    assert task.inputs[:, 0].tolist() == [4, 6, 8] and task.labels.tolist() == [2, 0, 1]
    assert task.test.inputs[:, 0].tolist() == [2, 10] and task.test.labels.tolist() == [1, 2]
    assert task.validation.inputs[:, 0].tolist() == [0] and task.validation.labels.tolist() == [0]
    assert (task.input_shape, task.outputs, task.by_class) == ((2,), 3, True)
