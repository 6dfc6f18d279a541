"""From checked files to a cohort's subjects, one after the other: a scan takes much memory.

A room of its own because it and what it imports stand on the libraries of the extra `brains`.
"""

from __future__ import annotations

from collections.abc import Sequence

from models.settings import NiftiSettings
from models.tasks.cohort import Subject
from models.tasks.nifti.label_map import LabelMap
from models.tasks.nifti.refusals import IMAGE_SIZE, refusal
from models.tasks.nifti.scans import Scan
from models.tasks.nifti.slices import Volume, grid_of, resampled, scaled, turned
from models.tasks.nifti.volumes import Opened, opened
from models.tasks.task import Report

_HALVINGS = 16
"""What a slice's side should be a multiple of: networks halve it up to four times."""


def subjects(
    scans: Sequence[Scan],
    sites: Sequence[str],
    label_map: LabelMap,
    settings: NiftiSettings,
    report: Report,
) -> tuple[Subject, ...]:
    """The subjects in the order of `scans`; a site's number is its place in `sites`.

    Raises DataError at the first file that can't be used, or if what is labelled doesn't fit into
    a slice, with the size that would do for all.
    """
    checked = [opened(scan) for scan in scans]
    report(f"nifti: slicing {len(checked)} scans")
    done: list[Subject] = []
    largest, widest = 0, checked[0]
    for one in checked:
        volume = turned(_volume(one, label_map), settings.plane)
        grid = grid_of(volume, settings.voxel_size_mm, settings.image_size)
        if grid.side > largest:
            largest, widest = grid.side, one
        if largest <= settings.image_size:
            slices = resampled(volume, grid)
            done.append(_subject(one, slices, sites.index(one.scan.site)))
    if largest > settings.image_size:
        what = f"{widest.scan.labels}: structures {largest} pixels wide"
        needed = -(-largest // _HALVINGS) * _HALVINGS
        raise refusal(what, f"an image_size of {needed}, or larger voxels", IMAGE_SIZE)
    return tuple(done)


def _volume(one: Opened, label_map: LabelMap) -> Volume:
    labels, image = one.labels(label_map), scaled(one.image())
    if image is None:
        raise refusal(f"{one.scan.image}: constant wherever it is not 0", "an image with contrast")
    return Volume(image, labels, one.affine)


def _subject(one: Opened, slices: Volume, site: int) -> Subject:
    scan = one.scan
    if not slices.labels.any():
        what = f"{scan.labels}: structures too small for task.voxel_size_mm"
        raise refusal(what, "smaller voxels", ("task", "voxel_size_mm"))
    return Subject(
        scan.subject, site, scan.split == "test", slices.image, slices.labels, slices.affine
    )
