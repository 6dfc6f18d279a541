"""Subjects made from people: each one's anatomy, seen by the scanner of the own site."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from models.bits.generators import generator
from models.tasks.brains.anatomy import COARSE, Anatomy, anatomy_of, widening_of
from models.tasks.brains.atlas import SPACING_MM, STRUCTURES, Atlas, looked_up, read_atlas
from models.tasks.brains.recruitment import Person
from models.tasks.brains.scanner import Scanner, normalised, scanned, scanner_of
from models.tasks.cohort import Cohort, Subject
from models.tasks.settings import Report

HEAD_MM = 168.0
"""A slice's side: the tallest brain fits in."""
LENGTH_MM = 160.0
"""How much of the brain, from back to front, the slices cover: the shortest brain is longer."""
_EVERY = 5
"""After how many subjects there is something to report."""


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


def generated(
    people: Sequence[Person],
    image_size: int,
    slices: int,
    site_effects: float,
    data_seed: int,
    report: Report,
) -> Cohort:
    """The people's subjects in their order; `report` is told how far it has come."""
    subjects: list[Subject] = []
    with _undisturbed():
        atlas = read_atlas(HEAD_MM / image_size)
        widening = widening_of(atlas)
        for person in people:
            body = anatomy_of(
                atlas, widening, _draws(data_seed, person, "anatomy"), person.age_years
            )
            grid = grid_of(atlas, body, slices, image_size)
            scanner = scanner_of(person.site, data_seed, site_effects)
            noise = _draws(data_seed, person, "noise")
            subjects.append(_subject(person, atlas, body, grid, scanner, noise))
            if len(subjects) % _EVERY == 0:
                report(f"{len(subjects)} of {len(people)} subjects generated")
    return Cohort(tuple(subjects), tuple(STRUCTURES))


def _draws(data_seed: int, person: Person, what: str) -> np.random.Generator:
    return generator(data_seed, f"brains_{person.role}_{what}", person.number)


def _subject(
    person: Person,
    atlas: Atlas,
    body: Anatomy,
    grid: Grid,
    scanner: Scanner,
    noise: np.random.Generator,
) -> Subject:
    voxels = body.in_atlas(grid.points_mm())
    t1 = looked_up(atlas.t1, voxels, order=1)
    tissues = np.stack([looked_up(tissue, voxels, order=1) for tissue in atlas.tissues])
    images = scanned(scanner, t1, tissues, grid.affine, noise)
    return Subject(
        person.name,
        person.site,
        person.role == "test",
        # The skull is stripped already, as a pipeline would do it.
        normalised(images, looked_up(atlas.brain, voxels, order=0)),
        looked_up(atlas.labels, voxels, order=0),
        grid.affine,
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


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Generate on one thread, for bits may depend on their number, and leave torch as it was.

    TorchIO asks torch's global generator whether to apply a transform, even one that always is.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.set_num_threads(threads)
