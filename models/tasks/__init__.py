"""Tasks: one file, or one folder, a kind; without PyTorch until their data are loaded."""

from models.tasks.arrays import ArraysSettings
from models.tasks.brains import BrainsSettings
from models.tasks.digits import DigitsSettings
from models.tasks.images import ImagesSettings
from models.tasks.nifti import NiftiSettings
from models.tasks.none import NoneSettings
from models.tasks.settings import TaskSettings
from models.tasks.synthetic import SyntheticSettings
from models.tasks.table import TableSettings

TASKS: dict[str, type[TaskSettings]] = {
    "digits": DigitsSettings,
    "brains": BrainsSettings,
    "nifti": NiftiSettings,
    "arrays": ArraysSettings,
    "table": TableSettings,
    "images": ImagesSettings,
    "synthetic": SyntheticSettings,
    "none": NoneSettings,
}

__all__ = [
    "TASKS",
    "ArraysSettings",
    "BrainsSettings",
    "DigitsSettings",
    "ImagesSettings",
    "NiftiSettings",
    "NoneSettings",
    "SyntheticSettings",
    "TableSettings",
    "TaskSettings",
]
