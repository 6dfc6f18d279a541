"""QuickNAT: its settings here, its layers in `module`, which stands on PyTorch."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from models.networks.settings import ModelSettings, check_sides
from sim.record.settings.base import Count

if TYPE_CHECKING:
    from torch import nn


LEVELS = 4
"""How often an image is halved."""


class QuicknatSettings(ModelSettings):
    """The paper's network for segmentation: densely connected blocks, unpooling with indices.

    Source: Roy, Conjeti, Navab and Wachinger 2019, arXiv 1801.04161.
    """

    per_pixel: ClassVar[bool] = True

    name: Literal["quicknat"] = Field(description="the network's name")
    filters: Count = Field(default=64, description="feature maps of each convolution")
    squeeze_excite: Literal["none", "channel", "spatial", "both"] = Field(
        default="none",
        description="recalibration after each block but the deepest; arXiv 1808.08127",
    )

    def check_input(self, input_shape: tuple[int, ...]) -> None:
        """Sides must be divisible by 16."""
        check_sides(self.name, input_shape, LEVELS)

    def build(self, input_shape: tuple[int, ...], outputs: int) -> nn.Module:
        """For images [channels, height, width]; see ModelSettings."""
        from models.networks.quicknat.module import QuickNat

        return QuickNat(self.filters, self.squeeze_excite, LEVELS, input_shape[0], outputs)
