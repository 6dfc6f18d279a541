"""The digits: what is held out, and that only the split's own seed decides it."""

from __future__ import annotations

import numpy as np
import torch
from sklearn.datasets import load_digits

from models.partitions import IidSettings
from models.tasks import DigitsSettings
from models.tasks.task import Task


def digits(split_seed: int = 0, test_fraction: float = 0.2) -> Task:
    partition = IidSettings(kind="iid")
    settings = DigitsSettings(
        name="digits", partition=partition, split_seed=split_seed, test_fraction=test_fraction
    )
    return settings.load(10, lambda line: None)


def test_every_image_is_either_trained_on_or_held_out() -> None:
    task = digits()
    images = torch.cat([task.inputs, task.test_inputs]).numpy().reshape(-1, 64)
    labels = torch.cat([task.labels, task.test_labels]).numpy()
    source = load_digits()
    found = sorted(
        (*map(float, image), int(label)) for image, label in zip(images, labels, strict=True)
    )
    expected = sorted(
        (*(pixel / 16 for pixel in image), int(label))
        for image, label in zip(source.data.tolist(), source.target, strict=True)
    )
    assert found == expected


def test_pixels_are_float32_between_nought_and_one() -> None:
    task = digits()
    assert task.inputs.dtype == torch.float32
    assert tuple(task.inputs.shape[1:]) == task.input_shape
    assert task.input_shape == (1, 8, 8)
    assert task.inputs.min() == 0
    assert task.inputs.max() == 1
    assert task.labels.dtype == torch.int64


def test_each_class_is_held_out_in_its_share() -> None:
    task = digits(test_fraction=0.25)
    total = np.bincount(load_digits().target)
    assert np.array_equal(
        np.bincount(task.test_labels.numpy()), [round(0.25 * int(n)) for n in total]
    )


def test_the_split_seed_decides_the_split() -> None:
    first, again, other = digits(1), digits(1), digits(2)
    assert torch.equal(first.test_inputs, again.test_inputs)
    assert not torch.equal(first.test_inputs, other.test_inputs)


def test_metrics_of_a_known_output() -> None:
    task = digits()
    output = torch.tensor([[0.0, 0.0], [0.0, 0.0], [0.0, 30.0], [30.0, 0.0]])
    metrics = task.metrics(torch.split(output, 3), torch.tensor([0, 0, 1, 1]))
    assert metrics["accuracy"] == 0.75
    assert abs(metrics["loss"] - (2 * np.log(2) + 0 + 30) / 4) < 1e-6
