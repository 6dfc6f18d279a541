"""Networks: one file a kind."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.networks.cnn import CnnSettings
from models.networks.mlp import MlpSettings
from models.networks.own import own_network
from models.networks.quicknat import QuicknatSettings
from models.networks.settings import ModelSettings
from models.networks.unet import UnetSettings
from sim.record.errors import Refusal

if TYPE_CHECKING:
    from torch import nn

    from models.tasks.task import Task

NETWORKS: dict[str, type[ModelSettings]] = {
    "mlp": MlpSettings,
    "cnn": CnnSettings,
    "quicknat": QuicknatSettings,
    "unet": UnetSettings,
}


def network(settings: ModelSettings, task: Task) -> nn.Module:
    """A new network for `task`, its weights drawn from torch's global generator.

    Raises Refusal if such a network doesn't fit the task, or needs what isn't installed.
    """
    check_fit(settings, per_pixel=task.labels.dim() > 1)
    settings.check_input(task.input_shape)
    return settings.build(task.input_shape, task.outputs)


def check_fit(settings: ModelSettings, *, per_pixel: bool) -> None:
    """Raise Refusal unless the network answers as the task asks: for each pixel, or each image."""
    if settings.per_pixel != per_pixel:
        given, asked = ("image", "pixel") if per_pixel else ("pixel", "image")
        fitting = [name for name, kind in NETWORKS.items() if kind.per_pixel == per_pixel]
        raise Refusal(
            f"network `{settings.name}` gives one class per {given}, the task asks for one per "
            f"{asked}",
            ", ".join(fitting)
            + (" or, of your own, one with per_pixel = True" if per_pixel else ""),
            ("model", "name"),
        )


__all__ = [
    "NETWORKS",
    "CnnSettings",
    "MlpSettings",
    "ModelSettings",
    "QuicknatSettings",
    "UnetSettings",
    "check_fit",
    "network",
    "own_network",
]
