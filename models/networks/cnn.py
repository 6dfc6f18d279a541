"""Two 3x3 convolutions with batch normalisation, each halving the image, then one linear layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from models.networks.settings import ModelSettings, check_image
from sim.record.settings.base import Count

if TYPE_CHECKING:
    from torch import nn


class CnnSettings(ModelSettings):
    """Two 3x3 convolutions with batch normalisation, then one linear layer."""

    name: Literal["cnn"] = Field(description="the network's name")
    channels: Annotated[tuple[Count, Count], Field(strict=False)] = Field(
        default=(8, 16), description="channels of the two convolutions"
    )

    def check_input(self, input_shape: tuple[int, ...]) -> None:
        """Refuse what are no images, and those of which two halvings leave nothing."""
        check_image(self.name, input_shape, least=4)

    def build(self, input_shape: tuple[int, ...], outputs: int) -> nn.Module:
        """For images [channels, height, width], 4 pixels a side or more; see ModelSettings."""
        from torch import nn

        def block(inputs: int, outputs: int) -> list[nn.Module]:
            convolution = nn.Conv2d(inputs, outputs, 3, padding=1)
            return [convolution, nn.BatchNorm2d(outputs), nn.ReLU(), nn.MaxPool2d(2)]

        channels, height, width = input_shape
        first, second = self.channels
        return nn.Sequential(
            *block(channels, first),
            *block(first, second),
            nn.Flatten(),
            nn.Linear(second * (height // 4) * (width // 4), outputs),
        )
