"""A segmentation task that is learned in a second: bright squares of two sizes, at two sites."""

import numpy as np

from models.tasks.cohort import Cohort, Split, Subject

SIDE, SLICES = 8, 3
AFFINE = np.array([[0, 0, 2, -8], [3, 0, 0, -4], [0, -2, 0, 8], [0, 0, 0, 1]], np.float64)
STRUCTURES = ("small_square", "large_square")
NAMES = ("anna", "ben", "cleo/2", "dora", "emil")
"""Of sites 0, 1, 0, 1, 0."""
SPLITS: tuple[Split, ...] = ("training", "training", "test", "test", "validation")


def cohort() -> Cohort:
    """Five subjects, always the same."""
    return Cohort(tuple(_subject(number) for number in range(len(NAMES))), STRUCTURES)


def _subject(number: int) -> Subject:
    labels = np.zeros((SLICES, SIDE, SIDE), np.uint8)
    labels[:, 1:3, 1 + number : 3 + number] = 1
    labels[:, 4:8, number : 4 + number] = 2
    images = (labels / 2).astype(np.float32)
    return Subject(NAMES[number], number % 2, SPLITS[number], images, labels, AFFINE)
