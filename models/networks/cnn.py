"""Two 3x3 convolutions with batch normalisation, each halving the image, then one linear layer."""

from __future__ import annotations

from torch import nn

from models.settings import CnnSettings


def cnn(settings: CnnSettings, input_shape: tuple[int, ...], outputs: int) -> nn.Module:
    """Input [batch, channels, height, width], sides divisible by 4; output [batch, outputs]."""
    channels, height, width = input_shape
    first, second = settings.channels
    return nn.Sequential(
        *_block(channels, first),
        *_block(first, second),
        nn.Flatten(),
        nn.Linear(second * (height // 4) * (width // 4), outputs),
    )


def _block(inputs: int, outputs: int) -> list[nn.Module]:
    return [
        nn.Conv2d(inputs, outputs, 3, padding=1),
        nn.BatchNorm2d(outputs),
        nn.ReLU(),
        nn.MaxPool2d(2),
    ]
