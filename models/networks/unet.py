"""The U-Net of MONAI: strided convolutions down, transposed ones up, batch normalisation.

Source: Ronneberger, Fischer and Brox 2015, arXiv 1505.04597, as monai.networks.nets.UNet has it.
"""

from __future__ import annotations

from torch import nn

from models.extras import required
from models.networks.sides import check_sides
from models.settings import UnetSettings


def unet(settings: UnetSettings, input_shape: tuple[int, ...], outputs: int) -> nn.Module:
    """Input [batch, channels, height, width]; output [batch, outputs, height, width].

    Raises DataError without MONAI, and unless both sides can be halved once per level but the last.
    """
    halvings = len(settings.channels) - 1
    check_sides(settings.name, input_shape, halvings)
    nets = required("monai.networks.nets", "brains", "network `unet`", ("model", "name"))
    net: nn.Module = nets.UNet(
        spatial_dims=2,
        in_channels=input_shape[0],
        out_channels=outputs,
        channels=settings.channels,
        strides=(2,) * halvings,
        norm="batch",
    )
    return net
