"""A task, a network with random layers and a partition, as another project may define them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from models.networks import ModelSettings
from models.partitions import PartitionSettings
from models.partitions.settings import Ints
from models.tasks.settings import Better, PartitionedSettings, Report
from models.tasks.task import Task


class TurnsSettings(PartitionSettings):
    """Samples go to the clients in turn."""

    kind: Literal["turns"]

    def deal(self, labels: Ints, clients: int, draws: np.random.Generator) -> list[Ints]:
        return [np.arange(client, len(labels), clients) for client in range(clients)]


class HalvesSettings(PartitionedSettings):
    """Whether the left or the right half of a line is brighter."""

    metrics: ClassVar[Mapping[str, Better]] = {"error": "lower"}

    name: Literal["halves"]
    width: int = 8

    def load(self, clients: int, report: Report) -> Task:
        draws = torch.Generator().manual_seed(3)
        inputs = torch.rand(40, self.width, generator=draws)
        half = self.width // 2
        labels = (inputs[:, :half].sum(dim=1) < inputs[:, half:].sum(dim=1)).long()
        loss = functional.cross_entropy
        held_out = inputs[30:], labels[30:]
        return Task(inputs[:30], labels[:30], *held_out, (self.width,), 2, loss, _error)


def _error(outputs: Any, labels: torch.Tensor) -> dict[str, float]:
    return {"error": functional.cross_entropy(torch.cat(list(outputs)), labels).item()}


class ForgetfulSettings(ModelSettings):
    """Drops half of what it sees, and does so when it is judged, too."""

    name: Literal["forgetful"]

    def build(self, input_shape: tuple[int, ...], outputs: int) -> nn.Module:
        first, last = nn.Linear(input_shape[0], 16), nn.Linear(16, outputs)
        return nn.Sequential(first, _AlwaysDropped(), last)


class _AlwaysDropped(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.dropout(x, 0.5, training=True)
