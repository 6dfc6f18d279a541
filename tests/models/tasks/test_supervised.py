"""Supervised learning: what is trained on and what is held out, and by what it is judged."""

from __future__ import annotations

import numpy as np
import torch

from models.partitions import IidSettings
from models.tasks import DigitsSettings
from models.tasks.supervised import Samples, supervised

SETTINGS = DigitsSettings(name="digits", partition=IidSettings(kind="iid"))


def test_samples_are_trained_on_unless_they_are_held_out() -> None:
    samples = Samples(torch.arange(12.0).reshape(6, 2), torch.tensor([0, 1, 2, 0, 1, 2]))
    task = supervised(SETTINGS, *samples.split(np.array([1, 5]), np.array([0])))
    assert task.inputs[:, 0].tolist() == [4, 6, 8] and task.labels.tolist() == [2, 0, 1]
    assert task.test.inputs[:, 0].tolist() == [2, 10] and task.test.labels.tolist() == [1, 2]
    assert task.validation.inputs[:, 0].tolist() == [0] and task.validation.labels.tolist() == [0]
    assert (task.input_shape, task.outputs, task.by_class) == ((2,), 3, True)
