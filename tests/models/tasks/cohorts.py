"""Cohorts made by hand, and networks' outputs that say what one wants."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from models.tasks.cohort import Cohort, Split, Subject
from models.tasks.segmentation import Labels

SPACING_MM = (4.0, 2.0, 1.0)


def volume(*boxes: tuple[int, slice, slice, slice], side: int = 16, slices: int = 3) -> Labels:
    """Background, and each box (label, slices, rows, columns) in it; later ones on top."""
    labels = np.zeros((slices, side, side), np.uint8)
    for label, *box in boxes:
        labels[tuple(box)] = label
    return labels


def subject(name: str, site: int, split: Split, labels: Labels) -> Subject:
    """Its image shows the labels under a little noise."""
    draws = np.random.Generator(np.random.Philox(sum(name.encode())))
    images = labels + 0.1 * draws.standard_normal(labels.shape)
    # Turned, so that a spacing is a column's length and not the diagonal's entry.
    affine = np.eye(4)[[2, 0, 1, 3]] @ np.diag([*SPACING_MM, 1.0])
    return Subject(name, site, split, images.astype(np.float32), labels, affine)


def cohort(*subjects: Subject, structures: tuple[str, ...] = ("left", "right")) -> Cohort:
    return Cohort(subjects, structures)


def outputs(predicted: Labels, classes: int, batch: int) -> Iterator[torch.Tensor]:
    """What a network gives that is sure of `predicted` [n, height, width], batch after batch."""
    hot = torch.nn.functional.one_hot(torch.from_numpy(predicted).long(), classes)
    return iter(torch.split(3.0 * hot.permute(0, 3, 1, 2) - 1.0, batch))
