"""A fully connected network with ReLU between its layers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field

from models.networks.settings import ModelSettings
from sim.record.settings.base import Count

if TYPE_CHECKING:
    from torch import nn


class MlpSettings(ModelSettings):
    """Fully connected layers with ReLU between them."""

    name: Literal["mlp"] = Field(description="the network's name")
    hidden: Annotated[tuple[Count, ...], Field(strict=False)] = Field(
        default=(64,), description="units of each hidden layer"
    )

    def build(self, input_shape: tuple[int, ...], outputs: int) -> nn.Module:
        """For inputs of any shape; see ModelSettings."""
        from torch import nn

        layers: list[nn.Module] = [nn.Flatten()]
        width = math.prod(input_shape)
        for hidden in self.hidden:
            layers += [nn.Linear(width, hidden), nn.ReLU()]
            width = hidden
        return nn.Sequential(*layers, nn.Linear(width, outputs))
