"""From a scan's two files to slices of one voxel size, orientation and brightness.

Headers are checked for all scans before the voxels of any are read, which takes long.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torchio
from nibabel import orientations
from nibabel.affines import from_matvec, voxel_sizes

from models.tasks.cohort import Scanned
from models.tasks.nifti.doubts import Finding
from models.tasks.nifti.reading import Stored, stored
from models.tasks.nifti.scans import Scan
from models.tasks.nifti.tables import SCANS, LabelMap
from models.tasks.settings import Tell
from sim.record.errors import Refusal

AXES = {"coronal": "AIR", "axial": "SPR", "sagittal": "RIA"}
"""Where slices, rows and columns lead: Anterior, Superior, Inferior, Posterior, Right.

With row 0 on top and column 0 on the left, heads are upright; the person's right is on the right.
"""

_PERCENTILES = (1, 99)
_HALVINGS = 16
"""What a slice's side should be a multiple of: networks halve it up to four times."""

_SAME_PLACE_MM = 1e-3
_WHOLE, _WHOLE_SHARE = 1e-3, 2.0**-23
"""So far from a whole number is a label id that was stored as float32, or scaled; and so far as a
share of the id, by float32's precision."""
_MOST_SLICES = 2**13


@dataclass(frozen=True)
class Volume:
    """`image` float32 and `labels` uint8 of one shape; `affine` [4, 4] to millimetres, RAS+.

    `blanks`: how many voxels of the image's file held no finite number.
    """

    image: npt.NDArray[np.float32]
    labels: npt.NDArray[np.uint8]
    affine: npt.NDArray[np.float64]
    blanks: int = 0


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
    tell: Tell,
) -> tuple[tuple[Scanned, ...], tuple[Finding, ...]]:
    """The subjects in the order of `scans`, one after the other, since a scan takes much memory,
    and what was found of each.

    A site's number is its place in `sites`.

    Raises Refusal at the first file that can't be used, or if what is labelled doesn't fit into
    a slice, with the size that would do for all.
    """
    checked = [opened(scan) for scan in scans]
    tell(f"nifti: slicing {len(checked)} scans")
    done: list[Scanned] = []
    findings: list[Finding] = []
    largest, widest = 0, checked[0]
    for one in checked:
        volume = turned(one.volume(label_map), plane)
        findings.append(_finding(one, volume))
        grid = grid_of(volume, voxel_size_mm, image_size)
        _check_slices(one.labels.file, grid.shape[0])
        if grid.side > largest:
            largest, widest = grid.side, one
        if largest <= image_size:
            slices = resampled(volume, grid)
            done.append(_subject(one, slices, sites.index(one.scan.site)))
    if largest > image_size:
        what = f"{widest.labels.file}: structures {largest} pixels wide"
        needed = -(-largest // _HALVINGS) * _HALVINGS
        allowed = f"an image_size of {needed}, or larger voxels"
        raise Refusal(what, allowed, ("task", "image_size"))
    return tuple(done), tuple(findings)


def _check_slices(file: Path, slices: int) -> None:
    """Before there are any: memory is had for all of them."""
    if slices > _MOST_SLICES:
        what = f"{file}: {slices:,} slices hold structures"
        allowed = f"voxels so large that {_MOST_SLICES:,} do"
        raise Refusal(what, allowed, ("task", "voxel_size_mm"))


def _subject(one: Opened, slices: Volume, site: int) -> Scanned:
    scan = one.scan
    if not slices.labels.any():
        what = f"{scan.labels}: structures too small for task.voxel_size_mm"
        raise Refusal(what, "smaller voxels", ("task", "voxel_size_mm"))
    assert scan.split is not None
    return Scanned(
        scan.subject, site, scan.split, slices.image, slices.labels, slices.affine,
        one.image.header.shape, one.affine,
    )  # fmt: skip


def _finding(one: Opened, volume: Volume) -> Finding:
    """`volume` is the scan's, turned: then nothing depends on how it was stored."""
    return Finding(
        one.scan,
        _digest(volume.image),
        _digest(volume.labels),
        is_doubtful=one.image.header.is_doubtful or one.labels.header.is_doubtful,
        blanks=volume.blanks,
    )


def _digest(voxels: npt.NDArray[Any]) -> bytes:
    found = hashlib.sha256(repr(voxels.shape).encode())
    found.update(voxels.data)
    return found.digest()


@dataclass(frozen=True)
class Opened:
    """A scan whose headers are sound."""

    scan: Scan
    image: Stored
    labels: Stored

    @property
    def affine(self) -> npt.NDArray[np.float64]:
        """From voxels [4, 4] to millimetres, RAS+."""
        return self.image.header.affine

    def volume(self, label_map: LabelMap) -> Volume:
        """The voxels, with the image `scaled`. Raises Refusal at what can't be used.

        Where an image holds no numbers, and nothing is labelled, is background.
        """
        ids = _whole(self.labels.voxels(), self.scan.labels)
        labels = self._structures(ids, label_map)
        with np.errstate(over="ignore"):  # what is too large for float32 is infinite
            image = self.image.voxels().astype(np.float32)
        if all(map(np.array_equal, image, ids)):
            what = f"{self.scan.image}: holds what {self.scan.labels} holds"
            raise Refusal(what, "an image and its labels", SCANS)
        broken = ~np.isfinite(image)
        blanks = int(broken.sum())
        if inside := int((broken & (labels > 0)).sum()) if blanks else 0:
            what = f"{self.scan.image}: {inside} labelled voxels are infinite or no number"
            raise Refusal(what, "finite numbers where something is labelled", SCANS)
        image[broken] = np.nan
        signal = scaled(image)
        if signal is None:
            what = f"{self.scan.image}: constant wherever it is not background"
            raise Refusal(what, "an image with contrast", SCANS)
        return Volume(signal, labels, self.affine, blanks)

    def _structures(self, ids: npt.NDArray[Any], label_map: LabelMap) -> npt.NDArray[np.uint8]:
        file = self.scan.labels
        labels = label_map.applied(ids, file)
        if not labels.any():
            raise Refusal(f"{file}: no structure", "one structure of task.label_map or more", SCANS)
        return labels


def _whole(ids: npt.NDArray[Any], file: Path) -> npt.NDArray[Any]:
    """Label ids as whole numbers, those rounded that are a rounding error off.

    Raises Refusal if others are.
    """
    if ids.dtype.kind != "f":
        return ids
    if broken := ids.size - int(np.isfinite(ids).sum()):
        raise Refusal(f"{file}: {broken} voxels are infinite or no number", "finite numbers", SCANS)
    whole: npt.NDArray[Any] = np.rint(ids)
    near = np.abs(ids - whole) <= _WHOLE + _WHOLE_SHARE * np.abs(whole)
    if broken := ids.size - int(near.sum()):
        allowed = f"label ids, or what is less than {_WHOLE:g} off"
        raise Refusal(f"{file}: {broken} voxels hold no whole number", allowed, SCANS)
    return whole


def opened(scan: Scan) -> Opened:
    """The scan, its headers checked. Raises Refusal at what can't be used."""
    image, labels = stored(scan.image), stored(scan.labels)
    if image.header.shape != labels.header.shape:
        shapes = " and ".join("x".join(map(str, one.header.shape)) for one in (image, labels))
        what = f"{scan.labels}: its image has another shape ({shapes} voxels)"
        raise Refusal(what, "labels on the image's own grid", SCANS)
    if not np.allclose(image.header.affine, labels.header.affine, rtol=0, atol=_SAME_PLACE_MM):
        what = f"{scan.labels}: its image lies elsewhere (their affines differ)"
        raise Refusal(what, "labels on the image's own grid", SCANS)
    return Opened(scan, image, labels)


def turned(volume: Volume, plane: str) -> Volume:
    """The same voxels with slices, rows and columns as their axes, nearest to those of `plane`."""
    now, wanted = orientations.io_orientation(volume.affine), orientations.axcodes2ornt(AXES[plane])
    turn = orientations.ornt_transform(now, wanted)
    return replace(
        volume,
        image=np.ascontiguousarray(orientations.apply_orientation(volume.image, turn)),
        labels=np.ascontiguousarray(orientations.apply_orientation(volume.labels, turn)),
        affine=volume.affine @ orientations.inv_ornt_aff(turn, volume.image.shape),
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


def on_scan(labels: npt.NDArray[np.uint8], subject: Scanned) -> npt.NDArray[np.uint8]:
    """Labels of a subject's slices at each voxel of its scan, from the nearest pixel; else 0.

    The way back of `resampled`: where a label came from, it returns to.
    """
    slices = torchio.LabelMap(tensor=torch.from_numpy(labels)[None], affine=subject.affine)
    with torch.random.fork_rng(devices=[]):  # As in `resampled`.
        scan = torchio.Resample((subject.scan_shape, subject.scan_affine))(slices)
    found: npt.NDArray[np.uint8] = scan.numpy()[0].astype(np.uint8)
    return found


def scaled(image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32] | None:
    """The image with the 1st and 99th percentile of its voxels other than `background` at 0 and 1;
    clipped. None if these are equal, or there are no such voxels. NaN becomes background.
    """
    outside, is_blank = background(image), np.isnan(image)
    signal = image[(image != outside) & ~is_blank]
    if not len(signal):
        return None
    low, high = np.percentile(signal, _PERCENTILES).astype(np.float32)
    if not low < high:
        return None
    if is_blank.any():
        image = np.where(is_blank, low if np.isnan(outside) else outside, image)
    found: npt.NDArray[np.float32] = np.clip((image - low) / (high - low), 0, 1)
    return found


def background(image: npt.NDArray[np.float32]) -> np.float32:
    """The value outside of the head [x, y, z], NaN perhaps, whatever slope and intercept it has.

    What most voxels of the six outer faces share, if they do; else the lowest of all.
    """
    sides = (np.moveaxis(image, axis, 0)[end] for axis in range(3) for end in (0, -1))
    faces = np.concatenate([side.ravel() for side in sides])
    values, counts = np.unique(faces, return_counts=True)
    if 2 * counts.max() > len(faces):
        return np.float32(values[counts.argmax()])
    return np.float32(np.fmin.reduce(image, axis=None))
