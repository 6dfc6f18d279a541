"""The task `brains`."""

from __future__ import annotations

from models.settings import BrainsSettings
from models.tasks.cohort import Cohort
from models.tasks.task import Report


def brains(settings: BrainsSettings, clients: int, report: Report) -> Cohort:
    """The subjects of `clients` sites."""
    raise NotImplementedError
