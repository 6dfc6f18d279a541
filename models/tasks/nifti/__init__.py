"""The task `nifti`: a user's own scans. Files are judged before any is resampled.

Rooms: `scans` and `label_map` read what the user wrote, through `tables`; `content` names the files
by what is in them; `sites` numbers and splits; `volumes` reads NIfTI files, `slices` resamples
them, `loading` does so for all.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from models.extras import required
from models.settings import NiftiSettings
from models.tasks.cohort import Cohort
from models.tasks.nifti.content import content
from models.tasks.nifti.label_map import read_label_map
from models.tasks.nifti.refusals import refusal
from models.tasks.nifti.scans import Scan, scans_at
from models.tasks.nifti.sites import site_names, split
from models.tasks.task import Report


def nifti(settings: NiftiSettings, clients: int, report: Report) -> Cohort:
    """The user's subjects by site and name; the sites' order by name is that of the `clients`.

    Slices are squares of `image_size` pixels of `voxel_size_mm`, from the first to the last that
    holds a structure. Images are in 0..1 as `slices.scaled` says. The same files give the same
    bits. Raises DataError at the first mistake in the files, if they are not those that
    `files_sha256` names, or if a library is missing.
    """
    for library in ("nibabel", "torchio"):
        required(library, "brains", "the task nifti", ("task", "name"))
    from models.tasks.nifti.loading import subjects  # stands on them

    path = Path(settings.scans)
    label_map = read_label_map(Path(settings.label_map))
    listed = scans_at(path)
    _check_unchanged(settings, listed)
    sites = site_names(listed, clients)
    scans = split(path, listed, settings.test_fraction, settings.split_seed)
    return Cohort(subjects(scans, sites, label_map, settings, report), label_map.structures)


def pinned(settings: NiftiSettings) -> NiftiSettings:
    """The settings with the `files_sha256` of the files that are there now, unless they have one.

    Raises DataError if they can't be read.
    """
    if settings.files_sha256 is not None:
        return settings
    found = content(scans_at(Path(settings.scans)), Path(settings.label_map))
    return settings.model_copy(update={"files_sha256": found})


def _check_unchanged(settings: NiftiSettings, listed: Sequence[Scan]) -> None:
    wanted = settings.files_sha256
    if wanted is None or wanted == content(listed, Path(settings.label_map)):
        return
    raise refusal(
        f"{settings.scans}: the scans, their list or the label map have changed since",
        "the files as they were, or a scenario without files_sha256",
        ("task", "files_sha256"),
    )
