"""What can be learned and how: tasks, partitions, networks and training as frozen settings.

A room of its own because the scenario and the command line read these settings, and they must
answer without importing PyTorch; nothing here needs it.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from models.settings.base import Count, DataError, Positive, Seed, Settings, mistake
from models.settings.metrics import (
    FINAL,
    LOWER_IS_BETTER,
    OWN_SITE,
    TEST,
    seen_from,
    site_metric,
)
from models.settings.networks import CnnSettings, MlpSettings, QuicknatSettings, UnetSettings
from models.settings.partitions import (
    DirichletSettings,
    IidSettings,
    PartitionSettings,
    QuantitySettings,
)
from models.settings.tasks import BrainsSettings, DigitsSettings, NiftiSettings
from models.settings.training import TrainingSettings

TaskSettings = Annotated[
    DigitsSettings | BrainsSettings | NiftiSettings, Field(discriminator="name")
]
ModelSettings = Annotated[
    MlpSettings | CnnSettings | QuicknatSettings | UnetSettings, Field(discriminator="name")
]

TASKS: dict[str, type[Settings]] = {
    "digits": DigitsSettings,
    "brains": BrainsSettings,
    "nifti": NiftiSettings,
}
NETWORKS: dict[str, type[Settings]] = {
    "mlp": MlpSettings,
    "cnn": CnnSettings,
    "quicknat": QuicknatSettings,
    "unet": UnetSettings,
}
PARTITIONS: dict[str, type[Settings]] = {
    "iid": IidSettings,
    "dirichlet": DirichletSettings,
    "quantity": QuantitySettings,
}

__all__ = [
    "FINAL",
    "LOWER_IS_BETTER",
    "NETWORKS",
    "OWN_SITE",
    "PARTITIONS",
    "TASKS",
    "TEST",
    "BrainsSettings",
    "CnnSettings",
    "Count",
    "DataError",
    "DigitsSettings",
    "DirichletSettings",
    "IidSettings",
    "MlpSettings",
    "ModelSettings",
    "NiftiSettings",
    "PartitionSettings",
    "Positive",
    "QuantitySettings",
    "QuicknatSettings",
    "Seed",
    "Settings",
    "TaskSettings",
    "TrainingSettings",
    "UnetSettings",
    "mistake",
    "seen_from",
    "site_metric",
]
