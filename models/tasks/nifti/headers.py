"""What a header says of a volume, believed as far as it can be checked before a voxel is read.

Formats: NIfTI-1 (Cox et al. 2004, nifti1.h), NIfTI-2 (nifti2.h), and FreeSurfer's MGH. nibabel
mends headers that are wrong (a negative voxel size, an offset into the header) and goes on; here
they are refused, since a guess about orientation or size is wrong data.
"""

import math
import struct
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from nibabel import Nifti1Header, Nifti2Header
from nibabel.affines import voxel_sizes
from nibabel.freesurfer.mghformat import DATA_OFFSET, MGHHeader, header_dtype
from nibabel.orientations import aff2axcodes
from nibabel.spatialimages import HeaderDataError

from sim.record.errors import Refusal

LONGEST = Nifti2Header.template_dtype.itemsize
"""Bytes that say all; a shorter header is followed by voxels or extensions."""

_NIFTI = {348: (Nifti1Header, 352), 540: (Nifti2Header, 544)}
"""By its size in bytes, which is its first number: a header, and where voxels may begin."""
_LINE_ENDS = ((13, 10, 26, 10), (0, 0, 0, 0))
"""What NIfTI-2 has to tell whether somebody changed line ends; some writers leave it out."""
_MILLIMETRES = (2, 0)
"""The format's code for them, and for no unit; the bits above are the unit of time."""
_FEWEST_VOXELS = 4
"""Along each axis; smoothing needs them."""
MOST_VOXELS = 2**29
"""In all: a thousand slices of 512 by 512 are half of it, and 2 GB as float32."""
_SMALLEST_MM, _LARGEST_MM, _FARTHEST_MM = 1e-3, 1e2, 1e5
_SAME_SIZE = 0.01
_NOTHING = 1e-30
_REAL = "real numbers of up to 64 bits"
_FORMATS = ".nii, .nii.gz, .mgh, .mgz"


class Header(NamedTuple):
    """How voxels are stored, and where they lie.

    `shape`: voxels along each axis. `offset`: bytes before them. Their values are `slope` times
    what is stored plus `intercept`. `affine` [4, 4]: voxel to millimetres, RAS+. `is_doubtful`:
    it is the sform's, and the qform or the voxel sizes beside it say otherwise. `has_footer`:
    whether something may follow the voxels.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    offset: int
    slope: float
    intercept: float
    affine: npt.NDArray[np.float64]
    is_doubtful: bool = False
    has_footer: bool = False

    @property
    def end(self) -> int:
        """Bytes up to the last voxel."""
        return self.offset + math.prod(self.shape) * self.dtype.itemsize


def header(block: bytes) -> Header:
    """What a file's first bytes say, up to `LONGEST`. Raises Refusal at what can't be used."""
    # What is nonsense is told below, not by a warning.
    with np.errstate(all="ignore"):
        for size, (kind, first_offset) in _NIFTI.items():
            for order in ("<", ">"):
                if len(block) >= size and block[:4] == struct.pack(f"{order}i", size):
                    return _nifti(kind(block[:size], order, check=False), first_offset)
        if block[:4] == b"\0\0\0\1" and len(block) >= DATA_OFFSET:
            return _mgh(block[:DATA_OFFSET])
    raise Refusal("is no NIfTI or MGH file", _FORMATS)


def _nifti(fields: Nifti1Header, first_offset: int) -> Header:
    if fields["magic"].item() != fields.single_magic:
        raise Refusal("is no NIfTI file, or one half of a pair", _FORMATS)
    if "eol_check" in fields and tuple(fields["eol_check"].tolist()) not in _LINE_ENDS:
        raise Refusal("has been taken for text: its line ends were changed", "a file as it was")
    count, *sizes = fields["dim"].tolist()
    if not 1 <= count <= 7:
        raise Refusal(f"has {count} dimensions", "one volume of 3")
    if int(fields["xyzt_units"]) % 8 not in _MILLIMETRES:
        raise Refusal("is not measured in millimetres", "millimetres, or no unit")
    affine, is_doubtful = _placed(fields)
    return Header(
        _shape(sizes[:count]),
        _kind(fields),
        _offset(float(fields["vox_offset"]), first_offset),
        *_scaling(float(fields["scl_slope"]), float(fields["scl_inter"])),
        affine,
        is_doubtful,
    )


def _mgh(block: bytes) -> Header:
    # nibabel sets the flag, and an orientation with it.
    if not np.frombuffer(block, header_dtype, 1)["goodRASFlag"][0]:
        raise Refusal("does not say how it is oriented", "a valid RAS flag")
    fields = MGHHeader(block, check=False)
    if not (fields["delta"] > 0).all():
        raise Refusal("has an affine without a size", "voxels of a finite, positive size")
    shape = _shape(fields["dims"].tolist())
    affine = _checked(fields.get_affine())
    return Header(shape, _kind(fields), DATA_OFFSET, 1.0, 0.0, affine, has_footer=True)


def _shape(sizes: list[int]) -> tuple[int, int, int]:
    text = "x".join(map(str, sizes))
    # Some programs call a single volume the only one of a series.
    if len(sizes) < 3 or any(size != 1 for size in sizes[3:]):
        raise Refusal(f"has {len(sizes)} dimensions ({text})", "one volume of 3")
    first, second, third = sizes[:3]
    if min(first, second, third) < _FEWEST_VOXELS:
        raise Refusal(f"has {text} voxels", f"{_FEWEST_VOXELS} or more along each axis")
    if math.prod(sizes) > MOST_VOXELS:
        raise Refusal(f"claims {text} voxels", f"at most {MOST_VOXELS:,} in all")
    return first, second, third


def _kind(fields: Nifti1Header | MGHHeader) -> np.dtype[Any]:
    code = int(fields["datatype" if isinstance(fields, Nifti1Header) else "type"])
    if code not in fields._data_type_codes.value_set():
        raise Refusal(f"holds numbers of the kind {code}", _REAL)
    kind: np.dtype[Any] = np.dtype(fields.get_data_dtype())
    if kind.kind not in "iuf":
        raise Refusal(f"holds {fields._data_type_codes.label[code]}", _REAL)
    return kind


def _offset(claimed: float, least: int) -> int:
    if not (claimed >= least and claimed.is_integer()):
        what = f"has its voxels {claimed:g} bytes from its beginning"
        raise Refusal(what, f"a whole number of {least} or more")
    return int(claimed)


def _scaling(slope: float, intercept: float) -> tuple[float, float]:
    """Slope 0 means that nothing is scaled; so does no number, which nibabel writes."""
    if slope == 0 or math.isnan(slope):
        return 1.0, 0.0
    if not math.isfinite(slope + intercept):
        raise Refusal(f"is scaled by {slope:g} and {intercept:g}", "a finite slope and intercept")
    return slope, intercept


def _placed(fields: Nifti1Header) -> tuple[npt.NDArray[np.float64], bool]:
    """The affine, and whether the header gives reason to doubt it."""
    qform = _qform(fields) if fields["qform_code"] > 0 else None
    if fields["sform_code"] > 0:
        sform = _checked(fields.get_sform())
        return sform, not _agree(sform, qform, np.abs(fields["pixdim"][1:4]))
    if qform is None:
        raise Refusal("does not say how it is oriented", "an sform or a qform")
    return _checked(qform), False


def _qform(fields: Nifti1Header) -> npt.NDArray[np.float64]:
    """No numbers if its quaternion is no rotation, or a voxel's size negative."""
    fields = fields.copy()
    if fields["pixdim"][0] == 0:  # Then it is 1, as nifti1.h has it.
        fields["pixdim"][0] = 1
    try:
        found: npt.NDArray[np.float64] = fields.get_qform()
    except (HeaderDataError, ValueError):
        return np.full((4, 4), np.nan)
    return found


def _agree(
    sform: npt.NDArray[np.float64],
    qform: npt.NDArray[np.float64] | None,
    sizes_mm: npt.NDArray[np.float32],
) -> bool:
    """Whether axes lead the same way and voxels are of one size; they may lie elsewhere.

    A scan that was aligned has the scanner's qform and another sform, rightly.
    """
    if not np.allclose(voxel_sizes(sform), sizes_mm, rtol=_SAME_SIZE):
        return False
    if qform is None:
        return True
    return bool(np.isfinite(qform).all()) and aff2axcodes(qform) == aff2axcodes(sform)


def _checked(affine: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    sizes_mm = voxel_sizes(affine)
    if not (np.isfinite(affine).all() and (sizes_mm > 0).all()):
        raise Refusal("has an affine without a size", "voxels of a finite, positive size")
    if sizes_mm.min() < _SMALLEST_MM or sizes_mm.max() > _LARGEST_MM:
        what = f"has voxels of {' x '.join(f'{size:g}' for size in sizes_mm)} mm"
        raise Refusal(what, f"{_SMALLEST_MM:g} to {_LARGEST_MM:g} mm")
    if np.abs(affine[:3, 3]).max() > _FARTHEST_MM:
        what = f"lies {np.abs(affine[:3, 3]).max():g} mm from the scanner's middle"
        raise Refusal(what, f"at most {_FARTHEST_MM:g} mm")
    axes = affine[:3, :3] / sizes_mm
    if not np.allclose(axes.T @ axes, np.eye(3), atol=1e-3):
        raise Refusal("has axes that are not at right angles", "an affine without shear")
    # ITK's singular values don't converge for numbers next to nothing.
    return np.where(np.abs(affine) < _NOTHING, 0, affine)
