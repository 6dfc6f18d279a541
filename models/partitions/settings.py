"""What every partition answers, and how those that draw shares do so."""

from abc import abstractmethod
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from sim.record.errors import Refusal
from sim.record.settings.base import Count, Positive, Settings

Ints = npt.NDArray[np.int64]
"""Numbers of samples, or their labels [n]."""
PATH = ("task", "partition")
REDRAWS = 1_000
"""Draws that leave a client with too little are repeated so often before the user is told."""


class PartitionSettings(Settings):
    """How training samples fall to the clients: each sample to exactly one of them.

    `by_class`: whether it needs labels that are classes.
    """

    by_class: ClassVar[bool] = False

    AS_OWN: ClassVar[str] = "a subclass of Partition"
    kind: str

    @abstractmethod
    def deal(self, labels: Ints, clients: int, draws: np.random.Generator) -> list[Ints]:
        """The samples of each client, ascending, of those whose `labels` [n] these are.

        Raises Refusal if they can't be dealt to so many.
        """


class SharesSettings(PartitionSettings):
    """A partition by Dirichlet(alpha) shares."""

    alpha: Positive
    minimum_samples: Count = Field(default=8, description="fewest samples a client may end with")

    def deal(self, labels: Ints, clients: int, draws: np.random.Generator) -> list[Ints]:
        """By the first of many draws that leaves nobody too little. Raises Refusal without one."""
        total, minimum = len(labels), self.minimum_samples
        if minimum * clients <= total:
            for _ in range(REDRAWS):
                owners = self.owners(labels, clients, draws)
                if np.bincount(owners, minlength=clients).min() >= minimum:
                    return [np.flatnonzero(owners == client) for client in range(clients)]
        raise Refusal(
            f"the partition leaves a client with fewer than {minimum} of {total} training samples "
            f"among {clients} clients",
            "a larger alpha, fewer clients or a smaller minimum_samples",
            PATH,
        )

    @abstractmethod
    def owners(self, labels: Ints, clients: int, draws: np.random.Generator) -> Ints:
        """One draw of each sample's client [n]."""

    def dealt(self, count: int, clients: int, draws: np.random.Generator) -> Ints:
        """The owner of each of `count` items when they are dealt in order by shares."""
        shares = draws.dirichlet(np.full(clients, self.alpha))
        bounds = np.round(np.cumsum(shares)[:-1] * count)
        return np.searchsorted(bounds, np.arange(count), side="right").astype(np.int64)
