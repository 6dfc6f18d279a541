"""A task and a partition, as a user writes them."""

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from my_numbers import BRIGHT  # type: ignore[import-not-found]
from torch.nn.functional import cross_entropy

from braintorrent import extend as own


class Bright(own.PartitionedSettings):
    """Whether a line is bright."""

    width: int = 8

    @property
    def directions(self) -> Mapping[str, own.Better]:
        return {"error": "lower"}

    def load(self, clients: int, tell: own.Tell) -> own.Task:
        draws = torch.Generator().manual_seed(self.drawn_by)
        inputs = torch.rand(90, self.width, generator=draws)
        labels = (inputs.mean(dim=1) > BRIGHT).long()
        test, validation = (
            own.HeldOut(inputs[places], labels[places], error)
            for places in (slice(60, 80), slice(80, 90))
        )
        return own.Task(inputs[:60], labels[:60], test, validation, (self.width,), 2, cross_entropy)


def error(outputs: Iterable[torch.Tensor], labels: torch.Tensor) -> dict[str, float]:
    return {"error": cross_entropy(torch.cat(list(outputs)), labels).item()}


class Turns(own.Partition):
    """Samples go to the clients in turn."""

    def deal(self, labels: own.Ints, clients: int, draws: np.random.Generator) -> list[own.Ints]:
        return [np.arange(client, len(labels), clients) for client in range(clients)]
