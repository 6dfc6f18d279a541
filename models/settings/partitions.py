"""How the training samples of a task fall to clients."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sim.record.settings.base import Count, Positive, Settings


class IidSettings(Settings):
    """Every client gets an equal random share of the training samples."""

    kind: Literal["iid"] = Field(description="the partition's name")


class DirichletSettings(Settings):
    """Label skew: each class is dealt to the clients in Dirichlet(alpha) shares.

    Source: Hsu, Qi and Brown 2019, arXiv 1909.06335.
    """

    kind: Literal["dirichlet"] = Field(description="the partition's name")
    alpha: Positive = Field(description="concentration; the smaller, the more skewed the labels")
    minimum_samples: Count = Field(default=8, description="fewest samples a client may end with")


class QuantitySettings(Settings):
    """Quantity skew: the clients' sample counts follow one Dirichlet(alpha) draw.

    Source: Li, Diao, Chen and He 2021, arXiv 2102.02079.
    """

    kind: Literal["quantity"] = Field(description="the partition's name")
    alpha: Positive = Field(description="concentration; the smaller, the more uneven the sizes")
    minimum_samples: Count = Field(default=8, description="fewest samples a client may end with")


PartitionSettings = IidSettings | DirichletSettings | QuantitySettings
PARTITIONS: dict[str, type[Settings]] = {
    "iid": IidSettings,
    "dirichlet": DirichletSettings,
    "quantity": QuantitySettings,
}
