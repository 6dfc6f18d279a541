"""The task `nifti`."""

from __future__ import annotations

from models.settings import NiftiSettings
from models.tasks.cohort import Cohort
from models.tasks.task import Report


def nifti(settings: NiftiSettings, clients: int, report: Report) -> Cohort:
    """The subjects of `clients` sites."""
    raise NotImplementedError
