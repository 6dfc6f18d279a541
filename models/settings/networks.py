"""Which network learns it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from sim.record.settings.base import Count, Settings


class MlpSettings(Settings):
    """Fully connected layers with ReLU between them."""

    name: Literal["mlp"] = Field(description="the network's name")
    hidden: Annotated[tuple[Count, ...], Field(strict=False)] = Field(
        default=(64,), description="units of each hidden layer"
    )


class CnnSettings(Settings):
    """Two 3x3 convolutions with batch normalisation, then one linear layer."""

    name: Literal["cnn"] = Field(description="the network's name")
    channels: Annotated[tuple[Count, Count], Field(strict=False)] = Field(
        default=(8, 16), description="channels of the two convolutions"
    )


class QuicknatSettings(Settings):
    """The paper's network for segmentation: densely connected blocks, unpooling with indices.

    Source: Roy, Conjeti, Navab and Wachinger 2019, arXiv 1801.04161.
    """

    name: Literal["quicknat"] = Field(description="the network's name")
    filters: Count = Field(default=64, description="feature maps of each convolution")
    squeeze_excite: Literal["none", "channel", "spatial", "both"] = Field(
        default="none",
        description="recalibration after each block but the deepest; arXiv 1808.08127",
    )


class UnetSettings(Settings):
    """A U-Net for segmentation, from MONAI.

    Source: Ronneberger, Fischer and Brox 2015, arXiv 1505.04597.
    """

    name: Literal["unet"] = Field(description="the network's name")
    channels: Annotated[tuple[Count, ...], Field(strict=False, min_length=2)] = Field(
        default=(16, 32, 64, 128),
        description="feature maps of each level; the image is halved between them",
    )
