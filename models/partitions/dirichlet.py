"""Label skew: clients differ in which classes they have."""

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from models.partitions.settings import Ints, SharesSettings
from sim.record.settings.base import Positive


class DirichletSettings(SharesSettings):
    """Label skew: each class is dealt to the clients in Dirichlet(alpha) shares.

    Source: Hsu, Qi and Brown 2019, arXiv 1909.06335.
    """

    by_class: ClassVar[bool] = True

    kind: Literal["dirichlet"] = Field(description="the partition's name")
    alpha: Positive = Field(description="concentration; the smaller, the more skewed the labels")

    def owners(self, labels: Ints, clients: int, draws: np.random.Generator) -> Ints:
        """See SharesSettings."""
        owner = np.empty(len(labels), dtype=np.int64)
        for label in np.unique(labels):
            members = draws.permutation(np.flatnonzero(labels == label))
            owner[members] = self.dealt(len(members), clients, draws)
        return owner
