"""From a scan's two NIfTI files to slices of one voxel size, orientation and brightness.

Headers are checked for all scans before the voxels of any are read, which takes long.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt
import torch
import torchio
from nibabel import orientations
from nibabel.affines import from_matvec, voxel_sizes
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError

from models.tasks.cohort import Scanned
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

_DAMAGE = (ImageFileError, HeaderDataError, OSError, EOFError, ValueError, zlib.error)
_SAME_PLACE_MM = 1e-3
_FEWEST_VOXELS = 4
"""Along each axis; smoothing needs them."""
_MILLIMETRES = (2, 0)
"""The format's code for them, and for no unit; the bits above are the unit of time."""


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
    tell: Tell,
) -> tuple[Scanned, ...]:
    """The subjects in the order of `scans`, one after the other, since a scan takes much memory.

    A site's number is its place in `sites`.

    Raises Refusal at the first file that can't be used, or if what is labelled doesn't fit into
    a slice, with the size that would do for all.
    """
    checked = [opened(scan) for scan in scans]
    tell(f"nifti: slicing {len(checked)} scans")
    done: list[Scanned] = []
    largest, widest = 0, checked[0]
    for one in checked:
        volume = turned(one.volume(label_map), plane)
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


def _subject(one: Opened, slices: Volume, site: int) -> Scanned:
    scan = one.scan
    if not slices.labels.any():
        what = f"{scan.labels}: structures too small for task.voxel_size_mm"
        raise Refusal(what, "smaller voxels", ("task", "voxel_size_mm"))
    assert scan.split is not None
    return Scanned(
        scan.subject, site, scan.split, slices.image, slices.labels, slices.affine,
        one.shape, one.affine,
    )  # fmt: skip


@dataclass(frozen=True)
class Opened:
    """A scan whose headers are sound. `affine` [4, 4]: voxel to millimetres, RAS+."""

    scan: Scan
    affine: npt.NDArray[np.float64]
    _image: nibabel.Nifti1Image
    _labels: nibabel.Nifti1Image

    @property
    def shape(self) -> tuple[int, int, int]:
        """The voxels along each axis of the file."""
        first, second, third = self._image.shape[:3]
        return first, second, third

    def volume(self, label_map: LabelMap) -> Volume:
        """The voxels, with the image `scaled`. Raises Refusal at what can't be used."""
        labels, image = self._structures(label_map), scaled(self._signal())
        if image is None:
            what = f"{self.scan.image}: constant wherever it is not 0"
            raise Refusal(what, "an image with contrast", SCANS)
        return Volume(image, labels, self.affine)

    def _signal(self) -> npt.NDArray[np.float32]:
        file = self.scan.image
        with np.errstate(over="ignore"):  # what is too large for float32 is refused as infinite
            image = _voxels(file, self._image).astype(np.float32)
        _check_finite(file, image)
        return image

    def _structures(self, label_map: LabelMap) -> npt.NDArray[np.uint8]:
        file = self.scan.labels
        ids = _voxels(file, self._labels)
        _check_finite(file, ids)
        broken = int((ids != np.rint(ids)).sum()) if ids.dtype.kind == "f" else 0
        if broken:
            raise Refusal(f"{file}: {broken} voxels hold no whole number", "label ids", SCANS)
        labels = label_map.applied(ids, file)
        if not labels.any():
            raise Refusal(f"{file}: no structure", "one structure of task.label_map or more", SCANS)
        return labels


def opened(scan: Scan) -> Opened:
    """The scan, its headers checked. Raises Refusal at what can't be used."""
    image, labels = _opened(scan.image), _opened(scan.labels)
    if image.shape[:3] != labels.shape[:3]:
        shapes = " and ".join("x".join(map(str, one.shape[:3])) for one in (image, labels))
        what = f"{scan.labels}: its image has another shape ({shapes} voxels)"
        raise Refusal(what, "labels on the image's own grid", SCANS)
    if not np.allclose(image.affine, labels.affine, rtol=0, atol=_SAME_PLACE_MM):
        what = f"{scan.labels}: its image lies elsewhere (their affines differ)"
        raise Refusal(what, "labels on the image's own grid", SCANS)
    return Opened(scan, image.affine, image, labels)


def _opened(file: Path) -> nibabel.Nifti1Image:
    try:
        image = nibabel.load(file, mmap=False)
    except FileNotFoundError:
        raise Refusal(f"{file}: no such file", "a NIfTI file", SCANS) from None
    except _DAMAGE:
        raise Refusal(f"{file}: is no NIfTI file", ".nii, .nii.gz", SCANS) from None
    if not isinstance(image, nibabel.Nifti1Image):
        raise Refusal(f"{file}: is no NIfTI file", ".nii, .nii.gz", SCANS)
    what, allowed = _fault(image)
    if what:
        raise Refusal(f"{file}: {what}", allowed, SCANS)
    return image


def _fault(image: nibabel.Nifti1Image) -> tuple[str, str]:
    """What is wrong with a header, and what is allowed; empty if it can be used."""
    shape, affine, header = image.shape, image.affine, image.header
    sizes = "x".join(map(str, shape))
    # Some programs call a single volume the only one of a series.
    if len(shape) < 3 or any(size != 1 for size in shape[3:]):
        return f"has {len(shape)} dimensions ({sizes})", "one volume of 3"
    if min(shape[:3]) < _FEWEST_VOXELS:
        return f"has {sizes} voxels", f"{_FEWEST_VOXELS} or more along each axis"
    if header.get_data_dtype().kind not in "iuf":
        return f"holds {header.get_data_dtype()}", "real numbers"
    if int(header["xyzt_units"]) % 8 not in _MILLIMETRES:
        return "is not measured in millimetres", "millimetres, or no unit"
    if not (header["sform_code"] or header["qform_code"]):
        return "does not say how it is oriented", "an sform or a qform"
    sizes_mm = voxel_sizes(affine)
    if not (np.isfinite(affine).all() and (sizes_mm > 0).all()):
        return "has an affine without a size", "finite voxels"
    axes = affine[:3, :3] / sizes_mm
    if not np.allclose(axes.T @ axes, np.eye(3), atol=1e-3):
        return "has axes that are not at right angles", "an affine without shear"
    return "", ""


def _voxels(file: Path, image: nibabel.Nifti1Image) -> npt.NDArray[Any]:
    try:
        return np.asarray(image.dataobj).reshape(image.shape[:3])
    except _DAMAGE:
        raise Refusal(f"{file}: is cut off or damaged", "a whole file", SCANS) from None


def _check_finite(file: Path, voxels: npt.NDArray[Any]) -> None:
    broken = voxels.size - int(np.isfinite(voxels).sum())
    if broken:
        raise Refusal(f"{file}: {broken} voxels are infinite or no number", "finite numbers", SCANS)


def turned(volume: Volume, plane: str) -> Volume:
    """The same voxels with slices, rows and columns as their axes, nearest to those of `plane`."""
    now, wanted = orientations.io_orientation(volume.affine), orientations.axcodes2ornt(AXES[plane])
    turn = orientations.ornt_transform(now, wanted)
    return Volume(
        np.ascontiguousarray(orientations.apply_orientation(volume.image, turn)),
        np.ascontiguousarray(orientations.apply_orientation(volume.labels, turn)),
        volume.affine @ orientations.inv_ornt_aff(turn, volume.image.shape),
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
    """The image with the 1st and 99th percentile of its voxels other than 0 at 0 and 1; clipped.

    None if these are equal, or there are no such voxels.
    """
    signal = image[image != 0]
    if not len(signal):
        return None
    low, high = np.percentile(signal, _PERCENTILES).astype(np.float32)
    return np.clip((image - low) / (high - low), 0, 1) if low < high else None
