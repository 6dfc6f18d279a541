"""Subjects made from people: each one's anatomy, seen by the scanner of the own site."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch

from models.bits.generators import generator
from models.tasks.brains.anatomy import Anatomy, anatomy_of, widening_of
from models.tasks.brains.atlas import Atlas, looked_up, read_atlas
from models.tasks.brains.recruitment import Person
from models.tasks.brains.scanner import Scanner, normalised, scanned, scanner_of
from models.tasks.brains.slices import HEAD_MM, Grid, grid_of
from models.tasks.brains.structures import STRUCTURES
from models.tasks.cohort import Cohort, Subject
from models.tasks.settings import Report

_EVERY = 5
"""After how many subjects there is something to report."""


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
