"""The registry: which network fits which task, and what is said where one does not."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from models.arithmetic.batched import Group
from models.networks import (
    CnnSettings,
    MlpSettings,
    QuicknatSettings,
    UnetSettings,
    network,
)
from models.parameters import FlatModule
from models.tasks.task import HeldOut, Task
from models.training import TrainingSettings
from sim.record.errors import Refusal

DENSE: list[Any] = [
    QuicknatSettings(name="quicknat", filters=4),
    UnetSettings(name="unet", channels=(4, 8)),
]
FLAT: list[Any] = [MlpSettings(name="mlp", hidden=(5,)), CnnSettings(name="cnn", channels=(2, 3))]

TRAINING = TrainingSettings(learning_rate=0.1, batch_size=2, local_epochs=1)


def task(per_pixel: bool, height: int = 16, width: int = 32) -> Task:
    """Two samples of five classes."""
    inputs = torch.linspace(0, 1, 2 * height * width).reshape(2, 1, height, width)
    labels = torch.zeros((2, height, width) if per_pixel else 2, dtype=torch.int64)
    held_out = HeldOut(inputs, labels, lambda outputs, labels: {})
    return Task(
        inputs,
        labels,
        held_out,
        held_out,
        (1, height, width),
        5,
        nn.functional.cross_entropy,
    )


@pytest.mark.parametrize("settings", FLAT + DENSE, ids=lambda settings: settings.name)
def test_a_network_that_fits_gives_what_the_task_asks_for(settings: Any) -> None:
    fitting = task(settings.per_pixel)
    with torch.inference_mode():
        output = network(settings, fitting).eval()(fitting.inputs)
    assert output.shape == (2, 5, *fitting.labels.shape[1:])


@pytest.mark.parametrize("settings", FLAT, ids=lambda settings: settings.name)
def test_one_class_per_image_is_too_little_for_pixels(settings: Any) -> None:
    with pytest.raises(Refusal) as refusal:
        network(settings, task(per_pixel=True))
    assert str(refusal.value) == (
        f"network `{settings.name}` gives one class per image, the task asks for one per pixel; "
        "allowed: quicknat, unet or, of your own, one with per_pixel = True"
    )
    assert refusal.value.path == ("model", "name")


@pytest.mark.parametrize("settings", DENSE, ids=lambda settings: settings.name)
def test_one_class_per_pixel_is_too_much_for_images(settings: Any) -> None:
    with pytest.raises(Refusal, match="one per image; allowed: mlp, cnn"):
        network(settings, task(per_pixel=False))


@pytest.mark.parametrize(
    ("settings", "halvings", "factor"),
    [
        (QuicknatSettings(name="quicknat", filters=4), 4, 16),
        (UnetSettings(name="unet", channels=(4, 8, 8, 8)), 3, 8),
    ],
    ids=lambda value: getattr(value, "name", str(value)),
)
@pytest.mark.parametrize(("rows", "columns"), [(2, 2.5), (2.5, 2), (1, 1)])
def test_sides_that_cannot_be_halved_are_refused(
    settings: Any, halvings: int, factor: int, rows: float, columns: float
) -> None:
    height, width = int(factor * rows), int(factor * columns)
    with pytest.raises(Refusal) as refusal:
        network(settings, task(True, height, width))
    assert str(refusal.value) == (
        f"network `{settings.name}` halves images {halvings} times, and they are "
        f"{height}x{width} pixels; allowed: sides divisible by {factor} that leave more "
        "than one pixel"
    )
    assert refusal.value.path == ("model", "name")


@pytest.mark.parametrize("settings", DENSE, ids=lambda settings: settings.name)
def test_batched_arithmetic_is_refused(settings: Any) -> None:
    dense = task(per_pixel=True)
    flat = FlatModule(network(settings, dense), torch.device("cpu"))
    with pytest.raises(Refusal, match=r"can't train a network with \w+; allowed: exact") as no:
        Group(flat, dense, TRAINING)
    assert no.value.path == ("training", "arithmetic")


def test_batched_arithmetic_is_refused_for_a_loss_that_is_no_mean() -> None:
    images = task(per_pixel=False)
    assert images.losses is None
    flat = FlatModule(network(FLAT[0], images), torch.device("cpu"))
    with pytest.raises(Refusal, match="can't train on this task's loss; allowed: exact"):
        Group(flat, images, TRAINING)


def test_batched_arithmetic_is_refused_for_a_loss_that_goes_several_ways() -> None:
    def losses(outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        found = nn.functional.cross_entropy(outputs, labels, reduction="none")
        return found if found.sum() > 1 else 2 * found

    images = replace(task(per_pixel=False), losses=losses)
    flat = FlatModule(network(FLAT[0], images), torch.device("cpu"))
    with pytest.raises(Refusal, match="can't train on this task's loss; allowed: exact"):
        Group(flat, images, TRAINING)


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "monai.networks.nets", None)
    with pytest.raises(Refusal, match=r"network `unet` needs the extra `brains`; allowed: pip"):
        network(DENSE[1], task(per_pixel=True))


@pytest.mark.parametrize(
    ("input_shape", "told"),
    [
        (
            (30,),
            "network `cnn` takes images, and a sample is 30 numbers; allowed: mlp, or",
        ),
        ((1, 8, 3), "network `cnn` leaves nothing of images of 8x3 pixels; allowed: sides of at"),
    ],
)
def test_convolutions_need_images_of_some_size(input_shape: tuple[int, ...], told: str) -> None:
    inputs = torch.zeros(2, *input_shape)
    odd = replace(task(per_pixel=False), inputs=inputs, input_shape=input_shape)
    with pytest.raises(Refusal) as refusal:
        network(CnnSettings(name="cnn"), odd)
    assert str(refusal.value).startswith(told) and refusal.value.path == ("model", "name")


@pytest.mark.parametrize("settings", DENSE, ids=lambda settings: settings.name)
def test_networks_for_pixels_need_images_too(settings: Any) -> None:
    with pytest.raises(Refusal, match="takes images, and a sample is 30 numbers"):
        settings.check_input((30,))


@pytest.mark.parametrize("side", [4, 5, 7])
def test_images_need_not_halve_evenly(side: int) -> None:
    settings = CnnSettings(name="cnn", channels=(2, 3))
    fitting = task(per_pixel=False, height=side, width=side + 1)
    assert network(settings, fitting).eval()(fitting.inputs).shape == (2, 5)
