"""A task: is the left or the right half of a line brighter?"""

from collections.abc import Iterable, Mapping
from typing import Literal

import torch
from pydantic import Field
from torch.nn.functional import cross_entropy

from models.tasks.settings import PartitionedSettings, Tell
from models.tasks.task import HeldOut, Task
from sim.record.metrics import Better


class Halves(PartitionedSettings):
    """Whether the left or the right half of a line is brighter."""

    name: Literal["halves"] = Field(description="the task's name")
    width: int = Field(default=8, description="pixels of a line")

    @property
    def directions(self) -> Mapping[str, Better]:
        return {"error": "lower"}

    def load(self, clients: int, tell: Tell) -> Task:
        draws = torch.Generator().manual_seed(3 + self.drawn_by)
        inputs = torch.rand(46, self.width, generator=draws)
        half = self.width // 2
        labels = (inputs[:, :half].sum(dim=1) < inputs[:, half:].sum(dim=1)).long()
        test, validation = (
            HeldOut(inputs[places], labels[places], _error)
            for places in (slice(30, 40), slice(40, 46))
        )
        return Task(inputs[:30], labels[:30], test, validation, (self.width,), 2, cross_entropy)


def _error(outputs: Iterable[torch.Tensor], labels: torch.Tensor) -> dict[str, float]:
    return {"error": cross_entropy(torch.cat(list(outputs)), labels).item()}
