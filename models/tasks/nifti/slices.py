"""From checked files to subjects: slices of one voxel size, orientation and brightness."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torchio
from nibabel.affines import from_matvec, voxel_sizes
from nibabel.orientations import (
    apply_orientation,
    axcodes2ornt,
    inv_ornt_aff,
    io_orientation,
    ornt_transform,
)

from models.tasks.cohort import Subject
from models.tasks.nifti.scans import Scan
from models.tasks.nifti.tables import SCANS, LabelMap
from models.tasks.nifti.volumes import Opened, opened
from models.tasks.settings import Report
from sim.record.errors import Refusal

AXES = {"coronal": "AIR", "axial": "SPR", "sagittal": "RIA"}
"""Where slices, rows and columns lead: Anterior, Superior, Inferior, Posterior, Right.

With row 0 on top and column 0 on the left, heads are upright; the person's right is on the right.
"""

_PERCENTILES = (1, 99)
_HALVINGS = 16
"""What a slice's side should be a multiple of: networks halve it up to four times."""


@dataclass(frozen=True)
class Volume:
    """`image` float32 and `labels` uint8 of one shape; `affine` [4, 4] to millimetres, RAS+."""

    image: npt.NDArray[np.float32]
    labels: npt.NDArray[np.uint8]
    affine: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Grid:
    """Where slices lie. `affine`: (slice, row, column, 1) to millimetres; `shape` counts them.

    `side`: how many pixels a slice needs to hold all that is labelled.
    """

    shape: tuple[int, int, int]
    affine: npt.NDArray[np.float64]
    side: int


def subjects(
    scans: Sequence[Scan],
    sites: Sequence[str],
    label_map: LabelMap,
    plane: str,
    voxel_size_mm: float,
    image_size: int,
    report: Report,
) -> tuple[Subject, ...]:
    """The subjects in the order of `scans`, one after the other, since a scan takes much memory.

    A site's number is its place in `sites`.

    Raises Refusal at the first file that can't be used, or if what is labelled doesn't fit into
    a slice, with the size that would do for all.
    """
    checked = [opened(scan) for scan in scans]
    report(f"nifti: slicing {len(checked)} scans")
    done: list[Subject] = []
    largest, widest = 0, checked[0]
    for one in checked:
        volume = turned(_volume(one, label_map), plane)
        grid = grid_of(volume, voxel_size_mm, image_size)
        if grid.side > largest:
            largest, widest = grid.side, one
        if largest <= image_size:
            slices = resampled(volume, grid)
            done.append(_subject(one, slices, sites.index(one.scan.site)))
    if largest > image_size:
        what = f"{widest.scan.labels}: structures {largest} pixels wide"
        needed = -(-largest // _HALVINGS) * _HALVINGS
        allowed = f"an image_size of {needed}, or larger voxels"
        raise Refusal(what, allowed, ("task", "image_size"))
    return tuple(done)


def _volume(one: Opened, label_map: LabelMap) -> Volume:
    labels, image = one.labels(label_map), scaled(one.image())
    if image is None:
        raise Refusal(
            f"{one.scan.image}: constant wherever it is not 0", "an image with contrast", SCANS
        )
    return Volume(image, labels, one.affine)


def _subject(one: Opened, slices: Volume, site: int) -> Subject:
    scan = one.scan
    if not slices.labels.any():
        what = f"{scan.labels}: structures too small for task.voxel_size_mm"
        raise Refusal(what, "smaller voxels", ("task", "voxel_size_mm"))
    return Subject(
        scan.subject, site, scan.split == "test", slices.image, slices.labels, slices.affine
    )


def turned(volume: Volume, plane: str) -> Volume:
    """The same voxels with slices, rows and columns as their axes, nearest to those of `plane`."""
    turn = ornt_transform(io_orientation(volume.affine), axcodes2ornt(AXES[plane]))
    return Volume(
        np.ascontiguousarray(apply_orientation(volume.image, turn)),
        np.ascontiguousarray(apply_orientation(volume.labels, turn)),
        volume.affine @ inv_ornt_aff(turn, volume.image.shape),
    )


def grid_of(volume: Volume, voxel_size_mm: float, image_size: int) -> Grid:
    """Every slice that holds a structure, and `image_size` pixels squared around them all.

    Voxel centres are counted from the first of `volume`: with its own voxel size nothing is
    interpolated, and with a multiple of it no label falls halfway between two.
    """
    step = voxel_size_mm / voxel_sizes(volume.affine)
    box = [np.flatnonzero(volume.labels.any(axis=others)) for others in ((1, 2), (0, 2), (0, 1))]
    first = np.ceil((np.array([places[0] for places in box]) - 0.5) / step)
    last = np.floor((np.array([places[-1] for places in box]) + 0.5) / step)
    slices, rows, columns = (last - first + 1).astype(int).tolist()
    start = first - np.array([0, (image_size - rows) // 2, (image_size - columns) // 2])
    affine = volume.affine @ from_matvec(np.diag(step), start * step)
    return Grid((slices, image_size, image_size), affine, max(rows, columns))


def resampled(volume: Volume, grid: Grid) -> Volume:
    """The volume at the grid's points, 0 outside; images linear, labels from the nearest voxel.

    Images are smoothed first as far as coarser voxels average what finer ones tell apart. Slices
    before the first and after the last structure are left out, all if there is none.
    """
    image, labels = torch.from_numpy(volume.image), torch.from_numpy(volume.labels)
    scan = torchio.Subject(
        image=torchio.ScalarImage(tensor=image[None], affine=volume.affine),
        labels=torchio.LabelMap(tensor=labels[None], affine=volume.affine),
    )
    # TorchIO draws from the global generator even for what is certain.
    with torch.random.fork_rng(devices=[]):
        scan = torchio.Resample((grid.shape, grid.affine), antialias=True)(scan)
    signal, structures = scan.image.numpy()[0], scan.labels.numpy()[0]
    held = np.flatnonzero(structures.any(axis=(1, 2)))
    first, last = (held[0], held[-1]) if len(held) else (0, -1)
    shift = from_matvec(np.eye(3), [first, 0, 0])
    # The smoothing filter overshoots by up to 0.003.
    return Volume(
        np.clip(signal[first : last + 1], 0, 1),
        structures[first : last + 1],
        grid.affine @ shift,
    )


def scaled(image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32] | None:
    """The image with the 1st and 99th percentile of its voxels other than 0 at 0 and 1; clipped.

    None if these are equal, or there are no such voxels.
    """
    signal = image[image != 0]
    if not len(signal):
        return None
    low, high = np.percentile(signal, _PERCENTILES).astype(np.float32)
    return np.clip((image - low) / (high - low), 0, 1) if low < high else None
