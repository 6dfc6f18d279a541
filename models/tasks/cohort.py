"""Subjects and the sites that they were scanned at: what every segmentation task is made of.

Where scans come from (a generator, a user's files) and what is learned from them (`segmentation`)
meet here alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Split = Literal["training", "validation", "test"]
"""What a subject is for, one thing alone."""

SPLITS: Mapping[str, Split] = {"train": "training", "validation": "validation", "test": "test"}
"""What users write for it."""


def split_named(word: str) -> Split | None:
    """What somebody means by a word, in letters of any case; None if nothing known."""
    return SPLITS.get({"training": "train", "val": "validation"}.get(low := word.lower(), low))


@dataclass(frozen=True)
class Subject:
    """One person's scan as a stack of neighbouring slices, with the structure of each pixel.

    `site`: number of the site, which is the client's number. `images` float32 and `labels` uint8
    [slices, height, width]; a label is 0 for background, else 1 + the number of the structure.
    `affine` float64 [4, 4]: (slice, row, column, 1) to millimetres, RAS+.
    """

    name: str
    site: int
    split: Split
    images: npt.NDArray[np.float32]
    labels: npt.NDArray[np.uint8]
    affine: npt.NDArray[np.float64]

    @property
    def held_out(self) -> bool:
        """Whether nobody trains on it."""
        return self.split != "training"


@dataclass(frozen=True)
class Scanned(Subject):
    """A subject sliced from a scan, whose own voxels these are not.

    `scan_shape`: the scan's voxels along its own axes; `scan_affine` float64 [4, 4]: from them to
    millimetres, RAS+, whatever way they lead.
    """

    scan_shape: tuple[int, int, int]
    scan_affine: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Cohort:
    """All subjects of all sites, and the names of the structures that were labelled.

    Every subject has the same height, width and voxel size; every site has at least one subject
    to train on, and the cohort one to validate and one to test on. `notes` and `site_names` as a
    Task's.
    """

    subjects: tuple[Subject, ...]
    structures: tuple[str, ...]
    notes: tuple[str, ...] = ()
    site_names: tuple[str, ...] = ()
