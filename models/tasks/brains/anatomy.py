"""How one person's brain differs from the atlas: a smooth, invertible deformation.

A stationary velocity field is integrated to a diffeomorphism, so nothing folds or tears. It sums
the differences between people, drawn at two scales, and the widening of the ventricles with age.
Source: Arsigny, Commowick, Pennec and Ayache, "A log-Euclidean framework for statistics on
diffeomorphisms", MICCAI 2006.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial.transform import Rotation

from models.tasks.brains.atlas import SPACING_MM, Atlas, label

Field = npt.NDArray[np.float64]

COARSE = 2
"""A deformation is smooth: its grid takes every second voxel of the atlas."""
_STEP_MM = COARSE * SPACING_MM

# Smoothness and strength (sigma, root mean square of each component) of the differences between
# people. Tuned to how much real people's labels overlap after affine alignment; the test says how.
_SCALES_MM = ((22.0, 1.6), (8.0, 1.0))
# What affine alignment would take away: size along each axis, and how the head lies.
_SCALE = 0.03
_ROTATION_DEG = 3.0

_WIDENED = {"lateral_ventricle": 1.0, "third_ventricle": 0.5}
"""The ventricles that age widens, and how far their walls move against the fastest ones."""
_REACH_MM = 5.0
"""How far that pushes their neighbours, as a Gaussian's sigma."""


@dataclass(frozen=True)
class Anatomy:
    """Where in the atlas each point of a subject lies.

    `linear` [3, 3] about the atlas' centre, then `displacement` [3, x, y, z] in millimetres, on
    every `COARSE`th voxel of the atlas' grid.
    """

    linear: Field
    displacement: Field
    origin_mm: npt.NDArray[np.float64]

    def in_atlas(self, points_mm: Field) -> Field:
        """Atlas voxels [3, ...] of the subject's `points_mm` [3, ...]."""
        shape = (3,) + (1,) * (points_mm.ndim - 1)
        extent = _STEP_MM * (np.array(self.displacement.shape[1:]) - 1)
        centre = self.origin_mm + extent / 2
        straight = mapped(self.linear, centre, points_mm - centre.reshape(shape))
        grid = straight - self.origin_mm.reshape(shape)
        moved = grid + _at(self.displacement, grid / _STEP_MM)
        return np.asarray(moved / SPACING_MM)


def mapped(linear: Field, shift: Field, points: Field) -> Field:
    """The `points` [3, ...] after the `linear` map [3, 3], then moved by `shift` [3]."""
    # Written out, for the matrix product of a library may depend on its threads.
    x, y, z = points
    rows = zip(linear, shift, strict=True)
    return np.stack([row[0] * x + row[1] * y + row[2] * z + start for row, start in rows])


def anatomy_of(
    atlas: Atlas, widening: Field, draws: np.random.Generator, age_years: float
) -> Anatomy:
    """The anatomy that `draws` gives, at that age; `widening` as from `widening_of(atlas)`."""
    scale = 1 + _SCALE * draws.uniform(-1, 1, 3)
    rotation = Rotation.from_rotvec(_ROTATION_DEG * draws.uniform(-1, 1, 3), degrees=True)
    velocity = between_people(draws, widening.shape[1:]) + widening_mm(age_years) * widening
    return Anatomy(scale[:, None] * rotation.as_matrix(), integrated(velocity), atlas.origin_mm)


def between_people(draws: np.random.Generator, shape: tuple[int, ...]) -> Field:
    """A velocity field [3, *shape] in millimetres, alike everywhere and in all directions."""
    field = np.zeros((3, *shape))
    for sigma_mm, rms_mm in _SCALES_MM:
        sigma = sigma_mm / _STEP_MM
        # White noise keeps 1 / (2 sqrt(pi) sigma) of its variance along each smoothed axis.
        strength = rms_mm * (2 * np.sqrt(np.pi) * sigma) ** 1.5
        for component in field:
            noise = draws.standard_normal(shape)
            component += strength * ndimage.gaussian_filter(noise, sigma, mode="wrap")
    return field


def widening_of(atlas: Atlas) -> Field:
    """The velocity [3, x, y, z] that widens the ventricles: the fastest wall moves by 1 mm.

    Everything moves down the slope of a blurred ventricle, which is steepest at its walls.
    """
    velocity = np.zeros((3, *atlas.labels[::COARSE, ::COARSE, ::COARSE].shape))
    for structure, share in _WIDENED.items():
        inside = (atlas.labels == label(structure)).astype(np.float64)
        blurred = ndimage.gaussian_filter(inside, _REACH_MM / SPACING_MM)
        # A point of the widened brain is looked up nearer to the ventricle's middle: uphill.
        slope = np.stack(np.gradient(blurred))[:, ::COARSE, ::COARSE, ::COARSE]
        velocity += share * slope / np.sqrt((slope**2).sum(axis=0)).max()
    return velocity


def widening_mm(age_years: float) -> float:
    """How far the walls of the ventricles have moved outwards, against the atlas.

    Chosen such that their volume grows by half from 20 to 60 years and to about two and a half
    times until 90: plausible figures for healthy people, not fitted ones.
    """
    adult = np.clip((age_years - 20) / 70, 0, None)
    return float(-1.5 + 6 * adult**1.5)


def integrated(velocity: Field) -> Field:
    """The displacement [3, x, y, z] after unit time along `velocity`, both in millimetres."""
    squarings = 6
    step = velocity / _STEP_MM / 2**squarings
    grid = np.stack(np.meshgrid(*map(np.arange, step.shape[1:]), indexing="ij")).astype(float)
    for _ in range(squarings):
        step = step + _at(step, grid + step)
    return np.asarray(step * _STEP_MM)


def _at(field: Field, voxels: Field) -> Field:
    return np.stack(
        [ndimage.map_coordinates(part, voxels, order=1, mode="nearest") for part in field]
    )
