"""What every network answers."""

from __future__ import annotations

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


def check_sides(name: str, input_shape: tuple[int, ...], halvings: int) -> None:
    """Raises Refusal unless both sides are divisible by 2 to the power of `halvings`.

    The deepest maps must keep more than one pixel, too: one sample has no variance there.
    """
    _, height, width = input_shape
    factor = 2**halvings
    if height % factor or width % factor or height == width == factor:
        raise Refusal(
            f"network `{name}` halves images {halvings} times, and they are {height}x{width} "
            "pixels",
            f"sides divisible by {factor} that leave more than one pixel",
            ("model", "name"),
        )
