"""Quantity skew: clients differ in how much they have."""

from typing import Literal

import numpy as np
from pydantic import Field

from models.partitions.settings import Ints, SharesSettings
from sim.record.settings.base import Positive


class QuantitySettings(SharesSettings):
    """Quantity skew: the clients' sample counts follow one Dirichlet(alpha) draw.

    Source: Li, Diao, Chen and He 2021, arXiv 2102.02079.
    """

    kind: Literal["quantity"] = Field(description="the partition's name")
    alpha: Positive = Field(description="concentration; the smaller, the more uneven the sizes")

    def owners(self, labels: Ints, clients: int, draws: np.random.Generator) -> Ints:
        """See SharesSettings."""
        owner = np.empty(len(labels), dtype=np.int64)
        order = draws.permutation(len(labels))
        owner[order] = self.dealt(len(labels), clients, draws)
        return owner
