"""A fully connected network with ReLU between its layers."""

from __future__ import annotations

import math

from torch import nn

from models.settings import MlpSettings


def mlp(settings: MlpSettings, input_shape: tuple[int, ...], outputs: int) -> nn.Module:
    """Input [batch, *input_shape], output [batch, outputs]."""
    layers: list[nn.Module] = [nn.Flatten()]
    width = math.prod(input_shape)
    for hidden in settings.hidden:
        layers += [nn.Linear(width, hidden), nn.ReLU()]
        width = hidden
    return nn.Sequential(*layers, nn.Linear(width, outputs))
