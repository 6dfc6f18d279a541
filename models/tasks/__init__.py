"""Tasks: data, loss and metrics; one file each, found by name in a literal registry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from models.tasks.digits import digits
from models.tasks.task import Task

# Called with the task's settings.
TASKS: dict[str, Callable[[Any], Task]] = {"digits": digits}

__all__ = ["TASKS", "Task"]
