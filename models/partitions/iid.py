"""Equal random shares."""

from typing import Literal

import numpy as np
from pydantic import Field

from models.partitions.settings import PATH, Ints, PartitionSettings
from sim.record.errors import Refusal


class IidSettings(PartitionSettings):
    """Every client gets an equal random share of the training samples."""

    kind: Literal["iid"] = Field(description="the partition's name")

    def deal(self, labels: Ints, clients: int, draws: np.random.Generator) -> list[Ints]:
        """Sizes differ by one at most. Raises Refusal for more clients than samples."""
        count = len(labels)
        if clients > count:
            what = f"{count} training samples leave some of {clients} clients without data"
            raise Refusal(what, f"at most {count} clients", PATH)
        return [np.sort(part) for part in np.array_split(draws.permutation(count), clients)]
