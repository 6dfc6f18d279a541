"""Networks: one file each, found by name in a literal registry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from models.networks.cnn import cnn
from models.networks.mlp import mlp
from models.networks.quicknat import quicknat
from models.networks.unet import unet
from models.settings import ModelSettings
from models.tasks.task import Task
from sim.record.settings.base import DataError

# Called with (settings, input shape without the batch, number of outputs).
Build = Callable[[Any, tuple[int, ...], int], nn.Module]

PER_IMAGE: dict[str, Build] = {"mlp": mlp, "cnn": cnn}
"""Networks that give one class per image."""

PER_PIXEL: dict[str, Build] = {"quicknat": quicknat, "unet": unet}
"""Networks that give one class per pixel."""

NETWORKS = PER_IMAGE | PER_PIXEL


def network(settings: ModelSettings, task: Task) -> nn.Module:
    """A new network for `task`, its weights drawn from torch's global generator.

    Raises DataError if such a network doesn't fit the task, or needs what isn't installed.
    """
    per_pixel = task.labels.dim() > 1
    fitting = PER_PIXEL if per_pixel else PER_IMAGE
    if settings.name not in fitting:
        given, asked = ("image", "pixel") if per_pixel else ("pixel", "image")
        raise DataError(
            f"network `{settings.name}` gives one class per {given}, the task asks for one per "
            f"{asked}; allowed: {', '.join(fitting)}",
            ("model", "name"),
        )
    return fitting[settings.name](settings, task.input_shape, task.outputs)
