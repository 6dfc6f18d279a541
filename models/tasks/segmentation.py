"""Segmentation: every pixel of a slice belongs to one structure or to the background."""

from __future__ import annotations

from models.tasks.cohort import Cohort
from models.tasks.task import Task


def segmentation(cohort: Cohort) -> Task:
    """The cohort's slices as samples; each client has those of one site."""
    raise NotImplementedError
