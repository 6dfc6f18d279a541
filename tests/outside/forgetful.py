"""A network with a random layer that is left on by mistake when the network is judged."""

from typing import Literal

import torch
from pydantic import Field
from torch import nn
from torch.nn.functional import dropout

from models.networks import ModelSettings


class Forgetful(ModelSettings):
    """Drops half of what it sees, and does so when it is judged, too."""

    name: Literal["forgetful"] = Field(description="the network's name")

    def build(self, input_shape: tuple[int, ...], outputs: int) -> nn.Module:
        first, last = nn.Linear(input_shape[0], 16), nn.Linear(16, outputs)
        return nn.Sequential(first, _AlwaysDropped(), last)


class _AlwaysDropped(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return dropout(x, 0.5, training=True)
