"""Clients whose data are as large as it is said."""

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

from models.partitions.settings import PATH, Ints, PartitionSettings
from sim.record.errors import Refusal
from sim.record.settings.base import Positive


class SizesSettings(PartitionSettings):
    """Clients get random shares of the training samples, each as large as listed."""

    kind: Literal["sizes"] = Field(description="the partition's name")
    sizes: Annotated[tuple[Positive, ...], Field(strict=False, min_length=1)] = Field(
        description="how much each client has, in any unit: [1, 1, 9] gives the last 9 parts of 11"
    )

    def deal(self, labels: Ints, clients: int, draws: np.random.Generator) -> list[Ints]:
        """All samples are dealt. Raises Refusal for another number of clients, or an empty part."""
        path = (*PATH, "sizes")
        if len(self.sizes) != clients:
            raise Refusal(f"lists {len(self.sizes)} sizes", f"{clients}, one per client", path)
        shares = np.cumsum(self.sizes) / np.sum(self.sizes)
        bounds = np.round(shares[:-1] * len(labels)).astype(np.int64)
        parts = np.split(draws.permutation(len(labels)), bounds)
        if not min(map(len, parts)):
            what = f"{len(labels)} training samples leave some of {clients} clients without data"
            raise Refusal(what, "sizes that differ less, or fewer clients", path)
        return [np.sort(part) for part in parts]
