"""What can be learned and how: tasks, partitions, networks and training as frozen settings.

A room of its own because the scenario and the command line read these settings, and they must
answer without importing PyTorch; nothing here needs it.
"""

from __future__ import annotations

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
    PARTITIONS,
    DirichletSettings,
    IidSettings,
    PartitionSettings,
    QuantitySettings,
)
from models.settings.tasks import BrainsSettings, DigitsSettings, NiftiSettings
from models.settings.training import TrainingSettings
from sim.record.settings.base import Settings

TaskSettings = DigitsSettings | BrainsSettings | NiftiSettings
ModelSettings = MlpSettings | CnnSettings | QuicknatSettings | UnetSettings

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
    "DigitsSettings",
    "DirichletSettings",
    "IidSettings",
    "MlpSettings",
    "ModelSettings",
    "NiftiSettings",
    "PartitionSettings",
    "QuantitySettings",
    "QuicknatSettings",
    "TaskSettings",
    "TrainingSettings",
    "UnetSettings",
    "seen_from",
    "site_metric",
]
