"""Tasks: data, loss and metrics; one file each, found by name in a literal registry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from models.settings import NiftiSettings, TaskSettings
from models.tasks.brains import brains
from models.tasks.cohort import Cohort, Subject
from models.tasks.digits import digits
from models.tasks.nifti import nifti
from models.tasks.nifti import pinned as _nifti_pinned
from models.tasks.segmentation import segmentation
from models.tasks.task import Report, Task

# Called with the task's settings, the number of clients, and whom to tell what takes long.
COHORTS: dict[str, Callable[[Any, int, Report], Cohort]] = {"brains": brains, "nifti": nifti}


def _segmented(settings: TaskSettings, clients: int, report: Report) -> Task:
    return segmentation(COHORTS[settings.name](settings, clients, report))


# Called as a cohort is.
TASKS: dict[str, Callable[[Any, int, Report], Task]] = {
    "digits": digits,
    "brains": _segmented,
    "nifti": _segmented,
}

_LOADED: dict[tuple[str, torch.device], Task] = {}


def task_for(
    settings: TaskSettings,
    clients: int,
    device: torch.device,
    report: Report = lambda line: None,
) -> Task:
    """The task with its data on `device`; loaded once for all partitions of the same data.

    Raises DataError if the data can't be had as the settings ask.
    """
    key = (data_key(settings, clients), device)
    if key not in _LOADED:
        _LOADED[key] = TASKS[settings.name](settings, clients, report).to(device)
    return _LOADED[key]


def pinned(settings: TaskSettings) -> TaskSettings:
    """The settings, naming the user's files by their content if the task has any.

    Raises DataError if they can't be read.
    """
    return _nifti_pinned(settings) if isinstance(settings, NiftiSettings) else settings


def data_key(settings: TaskSettings, clients: int) -> str:
    """Names the data: equal for descriptions that differ in the partition alone."""
    if settings.name == "digits":
        return settings.model_dump_json(exclude={"partition"})
    return f"{settings.model_dump_json()} of {clients} sites"


__all__ = [
    "COHORTS",
    "TASKS",
    "Cohort",
    "Report",
    "Subject",
    "Task",
    "data_key",
    "pinned",
    "task_for",
]
