"""Tasks: data, loss and metrics; one file each, found by name in a literal registry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from models.settings import TaskSettings
from models.tasks.digits import digits
from models.tasks.task import Task

# Called with the task's settings.
TASKS: dict[str, Callable[[Any], Task]] = {"digits": digits}

_LOADED: dict[tuple[str, torch.device], Task] = {}


def task_for(settings: TaskSettings, device: torch.device) -> Task:
    """The task with its data on `device`; loaded once for all partitions of the same data."""
    key = (data_key(settings), device)
    if key not in _LOADED:
        _LOADED[key] = TASKS[settings.name](settings).to(device)
    return _LOADED[key]


def data_key(settings: TaskSettings) -> str:
    """Names the data: equal for descriptions that differ in the partition alone."""
    return settings.model_dump_json(exclude={"partition"})


__all__ = ["TASKS", "Task", "data_key", "task_for"]
