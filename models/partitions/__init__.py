"""How the training samples of a task fall to the clients: one file a kind."""

from models.partitions.dirichlet import DirichletSettings
from models.partitions.iid import IidSettings
from models.partitions.quantity import QuantitySettings
from models.partitions.settings import PartitionSettings
from models.partitions.sizes import SizesSettings

PARTITIONS: dict[str, type[PartitionSettings]] = {
    "iid": IidSettings,
    "dirichlet": DirichletSettings,
    "quantity": QuantitySettings,
    "sizes": SizesSettings,
}

__all__ = [
    "PARTITIONS",
    "DirichletSettings",
    "IidSettings",
    "PartitionSettings",
    "QuantitySettings",
    "SizesSettings",
]
