"""The digits: what is held out, and that only the split's own seed decides it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from models.partitions import IidSettings
from models.tasks import DigitsSettings
from models.tasks.task import Task


def digits(**settings: Any) -> Task:
    partition = IidSettings(kind="iid")
    made = DigitsSettings(name="digits", partition=partition, **settings)
    return made.load(10, lambda line: None)


def splits(task: Task) -> tuple[tuple[torch.Tensor, torch.Tensor], ...]:
    return tuple((each.inputs, each.labels) for each in (task, task.test, task.validation))


def test_every_image_is_trained_on_or_tested_on_or_validated_on() -> None:
    images, labels = map(torch.cat, zip(*splits(digits()), strict=True))
    source = load_digits()
    found = sorted(
        (*map(float, image), int(label))
        for image, label in zip(images.numpy().reshape(-1, 64), labels, strict=True)
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


def test_each_class_is_held_out_in_its_shares() -> None:
    task = digits(test_fraction=0.25, validation_fraction=0.15)
    total = np.bincount(load_digits().target)
    for held_out, share in ((task.test, 0.25), (task.validation, 0.15)):
        assert np.bincount(held_out.labels.numpy()).tolist() == [round(share * n) for n in total]


def test_more_to_validate_on_leaves_the_test_data_as_they_were() -> None:
    few, many = digits(validation_fraction=0.05), digits(validation_fraction=0.3)
    assert torch.equal(few.test.inputs, many.test.inputs)
    validated_on = {image.numpy().tobytes() for image in many.validation.inputs}
    assert {image.numpy().tobytes() for image in few.validation.inputs} < validated_on
    assert few.digest != many.digest


def test_the_data_seed_decides_what_is_held_out() -> None:
    first, again, other = digits(data_seed=1), digits(data_seed=1), digits(data_seed=2)
    assert first.digest == again.digest
    for one, two in zip(splits(first)[1:], splits(other)[1:], strict=True):
        assert not torch.equal(one[0], two[0])


def test_nothing_left_to_train_on_is_refused() -> None:
    with pytest.raises(ValueError, match=r"0.1 beside a test_fraction of 0.9; allowed: less than"):
        digits(test_fraction=0.9)
