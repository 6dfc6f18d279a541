"""What every network answers."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import TYPE_CHECKING, ClassVar

from sim.record.errors import Refusal
from sim.record.settings.base import Settings

if TYPE_CHECKING:
    from torch import nn


class ModelSettings(Settings):
    """Which network is trained.

    `per_pixel`: whether it gives one class per pixel instead of one per image; `libraries`: those
    beside the task's that compute it.
    """

    AS_OWN: ClassVar[str] = (
        "a function or class with a parameter `outputs` that gives a torch.nn.Module"
    )
    per_pixel: ClassVar[bool] = False
    libraries: ClassVar[tuple[str, ...]] = ()

    name: str

    def check_input(self, input_shape: tuple[int, ...]) -> None:
        """Raise Refusal if inputs of that shape don't fit; asked before data are loaded, too."""

    @abstractmethod
    def build(self, input_shape: tuple[int, ...], outputs: int) -> nn.Module:
        """A new module, its weights drawn from torch's global generator.

        Input [batch, *input_shape]; output [batch, outputs] or, for each pixel, [batch, outputs,
        height, width]. Raises Refusal if it doesn't fit.
        """


def check_image(name: str, input_shape: tuple[int, ...], least: int = 1) -> None:
    """Raises Refusal unless samples are images [channels, height, width], `least` pixels a side."""
    path = ("model", "name")
    if len(input_shape) != 3:
        what = f"network `{name}` takes images, and a sample is {math.prod(input_shape)} numbers"
        raise Refusal(what, "mlp, or your own", path)
    if min(input_shape[1:]) < least:
        height, width = input_shape[1:]
        what = f"network `{name}` leaves nothing of images of {height}x{width} pixels"
        raise Refusal(what, f"sides of at least {least}; or mlp", path)


def check_sides(name: str, input_shape: tuple[int, ...], halvings: int) -> None:
    """Raises Refusal unless samples are images whose sides can be halved that often.

    The deepest maps must keep more than one pixel, too: one sample has no variance there.
    """
    check_image(name, input_shape)
    _, height, width = input_shape
    factor = 2**halvings
    if height % factor or width % factor or height == width == factor:
        raise Refusal(
            f"network `{name}` halves images {halvings} times, and they are {height}x{width} "
            "pixels",
            f"sides divisible by {factor} that leave more than one pixel",
            ("model", "name"),
        )
