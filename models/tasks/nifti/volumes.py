"""A scan's two NIfTI files: what their headers must say, and their voxels.

Headers are checked for all scans before the voxels of any are read, which takes long.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt
from nibabel.affines import voxel_sizes
from nibabel.filebasedimages import ImageFileError
from nibabel.spatialimages import HeaderDataError

from models.tasks.nifti.scans import Scan
from models.tasks.nifti.tables import SCANS, LabelMap
from sim.record.errors import Refusal

_DAMAGE = (ImageFileError, HeaderDataError, OSError, EOFError, ValueError, zlib.error)
_SAME_PLACE_MM = 1e-3
_FEWEST_VOXELS = 4
"""Along each axis; smoothing needs them."""
_MILLIMETRES = (2, 0)
"""The format's code for them, and for no unit; the bits above are the unit of time."""


@dataclass(frozen=True)
class Opened:
    """A scan whose headers are sound. `affine` [4, 4]: voxel to millimetres, RAS+."""

    scan: Scan
    affine: npt.NDArray[np.float64]
    _image: nibabel.Nifti1Image
    _labels: nibabel.Nifti1Image

    def image(self) -> npt.NDArray[np.float32]:
        """The scanner's signal [x, y, z]. Raises Refusal if the file is damaged or not finite."""
        file = self.scan.image
        with np.errstate(over="ignore"):  # what is too large for float32 is refused as infinite
            image = _voxels(file, self._image).astype(np.float32)
        _check_finite(file, image)
        return image

    def labels(self, label_map: LabelMap) -> npt.NDArray[np.uint8]:
        """The structure of each voxel [x, y, z], as LabelMap has them.

        Raises Refusal if the file is damaged or holds what `label_map` doesn't know, or nothing.
        """
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
    if _shape(image) != _shape(labels):
        shapes = " and ".join("x".join(map(str, _shape(one))) for one in (image, labels))
        what = f"{scan.labels}: its image has another shape ({shapes} voxels)"
        raise Refusal(what, "labels on the image's own grid", SCANS)
    if not np.allclose(_affine(image), _affine(labels), rtol=0, atol=_SAME_PLACE_MM):
        what = f"{scan.labels}: its image lies elsewhere (their affines differ)"
        raise Refusal(what, "labels on the image's own grid", SCANS)
    return Opened(scan, _affine(image), image, labels)


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
    shape, affine, header = image.shape, _affine(image), image.header
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


def _shape(image: nibabel.Nifti1Image) -> tuple[int, ...]:
    return tuple(image.shape[:3])


def _affine(image: nibabel.Nifti1Image) -> npt.NDArray[np.float64]:
    return np.asarray(image.affine, dtype=np.float64)


def _voxels(file: Path, image: nibabel.Nifti1Image) -> npt.NDArray[Any]:
    try:
        return np.asarray(image.dataobj).reshape(_shape(image))
    except _DAMAGE:
        raise Refusal(f"{file}: is cut off or damaged", "a whole file", SCANS) from None


def _check_finite(file: Path, voxels: npt.NDArray[Any]) -> None:
    broken = voxels.size - int(np.isfinite(voxels).sum())
    if broken:
        raise Refusal(f"{file}: {broken} voxels are infinite or no number", "finite numbers", SCANS)
