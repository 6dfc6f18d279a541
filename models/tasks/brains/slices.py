"""Where the slices of a subject lie: coronal, at equal distances, the same distances for all."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.tasks.brains.anatomy import COARSE, Anatomy
from models.tasks.brains.atlas import SPACING_MM, Atlas, looked_up

HEAD_MM = 168.0
"""A slice's side: the tallest brain fits in."""
LENGTH_MM = 160.0
"""How much of the brain, from back to front, the slices cover: the shortest brain is longer."""


@dataclass(frozen=True)
class Grid:
    """`affine` [4, 4] takes (slice, row, column, 1) to millimetres; `shape` counts them."""

    affine: npt.NDArray[np.float64]
    shape: tuple[int, int, int]

    def points_mm(self) -> npt.NDArray[np.float64]:
        """The centre of each pixel: [3, slices, rows, columns], right, anterior, superior."""
        slices, rows, columns = np.meshgrid(*map(np.arange, self.shape), indexing="ij")
        scale, shift = self.affine[:3, :3], self.affine[:3, 3]
        return np.stack(
            [
                row[0] * slices + row[1] * rows + row[2] * columns + start
                for row, start in zip(scale, shift, strict=True)
            ]
        )


def grid_of(atlas: Atlas, anatomy: Anatomy, slices: int, image_size: int) -> Grid:
    """Slices from back to front around the middle of the subject's labels.

    Rows run from superior to inferior and columns from the person's left to the right, so an image
    with row 0 on top shows the head upright, as if seen from behind.
    """
    step, pixel = LENGTH_MM / slices, HEAD_MM / image_size
    right, front, top = _middle_mm(atlas, anatomy)
    half = (image_size - 1) / 2
    affine = np.zeros((4, 4))
    affine[:, 0] = 0, step, 0, 0
    affine[:, 1] = 0, 0, -pixel, 0
    affine[:, 2] = pixel, 0, 0, 0
    affine[:, 3] = right - half * pixel, front - (slices - 1) / 2 * step, top + half * pixel, 1
    return Grid(affine, (slices, image_size, image_size))


def _middle_mm(atlas: Atlas, anatomy: Anatomy) -> npt.NDArray[np.float64]:
    """The middle of the box around the subject's labels."""
    step = COARSE * SPACING_MM
    axes = [
        start + step * np.arange(-(-size // COARSE))
        for start, size in zip(atlas.origin_mm, atlas.shape, strict=True)
    ]
    points = np.stack(np.meshgrid(*axes, indexing="ij"))
    inside = np.nonzero(looked_up(atlas.labels, anatomy.in_atlas(points), order=0))
    return np.array(
        [axis[[at.min(), at.max()]].mean() for axis, at in zip(axes, inside, strict=True)]
    )
