"""The task `nifti`: a user's own scans. Files are judged before any is resampled.

Rooms: `scans` and `label_map` read what the user wrote, through `tables`; `sites` numbers and
splits; `volumes` reads NIfTI files, `slices` resamples them, `loading` does so for all.
"""

from __future__ import annotations

from pathlib import Path

from models.extras import required
from models.settings import NiftiSettings
from models.tasks.cohort import Cohort
from models.tasks.nifti.label_map import read_label_map
from models.tasks.nifti.scans import scans_at
from models.tasks.nifti.sites import site_names, split
from models.tasks.task import Report


def nifti(settings: NiftiSettings, clients: int, report: Report) -> Cohort:
    """The user's subjects by site and name; the sites' order by name is that of the `clients`.

    Slices are squares of `image_size` pixels of `voxel_size_mm`, from the first to the last that
    holds a structure. Images are in 0..1 as `slices.scaled` says. The same files give the same
    bits. Raises DataError at the first mistake in the files, or if a library is missing.
    """
    for library in ("nibabel", "torchio"):
        required(library, "brains", "the task nifti", ("task", "name"))
    from models.tasks.nifti.loading import subjects  # stands on them

    path = Path(settings.scans)
    label_map = read_label_map(Path(settings.label_map))
    listed = scans_at(path)
    sites = site_names(listed, clients)
    scans = split(path, listed, settings.test_fraction, settings.split_seed)
    return Cohort(subjects(scans, sites, label_map, settings, report), label_map.structures)
