"""A partition: samples go to the clients in turn."""

from typing import Literal

import numpy as np
from pydantic import Field

from models.partitions import PartitionSettings
from models.partitions.settings import Ints


class Turns(PartitionSettings):
    """Samples go to the clients in turn."""

    kind: Literal["turns"] = Field(description="the partition's name")

    def deal(self, labels: Ints, clients: int, draws: np.random.Generator) -> list[Ints]:
        return [np.arange(client, len(labels), clients) for client in range(clients)]
