"""The U-Net of MONAI: strided convolutions down, transposed ones up, batch normalisation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from models.bits.code import required
from models.networks.settings import ModelSettings, check_sides
from sim.record.settings.base import Count

if TYPE_CHECKING:
    from torch import nn


class UnetSettings(ModelSettings):
    """A U-Net for segmentation, from MONAI.

    Source: Ronneberger, Fischer and Brox 2015, arXiv 1505.04597.
    """

    per_pixel: ClassVar[bool] = True
    libraries: ClassVar[tuple[str, ...]] = ("monai",)

    name: Literal["unet"] = Field(description="the network's name")
    channels: Annotated[tuple[Count, ...], Field(strict=False, min_length=2)] = Field(
        default=(16, 32, 64, 128),
        description="feature maps of each level; the image is halved between them",
    )

    def check_input(self, input_shape: tuple[int, ...]) -> None:
        """Both sides must be halved once per level but the last."""
        check_sides(self.name, input_shape, len(self.channels) - 1)

    def build(self, input_shape: tuple[int, ...], outputs: int) -> nn.Module:
        """For images [channels, height, width]; see ModelSettings. Raises Refusal without MONAI."""
        nets = required("monai.networks.nets", "brains", "network `unet`", ("model", "name"))
        net: nn.Module = nets.UNet(
            spatial_dims=2,
            in_channels=input_shape[0],
            out_channels=outputs,
            channels=self.channels,
            strides=(2,) * (len(self.channels) - 1),
            # Residual units cost 2.4 times as much and score lower after as many steps on `brains`.
            num_res_units=0,
            norm="batch",
        )
        return net
