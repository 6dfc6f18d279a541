"""Headers: what each field means, and which can't be true."""

from __future__ import annotations

from typing import Any

import nibabel
import numpy as np
import pytest
from nibabel import Nifti1Header, Nifti2Header
from nibabel.freesurfer.mghformat import MGHHeader

from models.tasks.nifti.headers import MOST_VOXELS, header
from sim.record.errors import Refusal
from tests.models.tasks.nifti.phantom import SHAPE, affine_of

AFFINE = affine_of(SHAPE, 2.0)
FLIPPED = np.diag([-1.0, 1.0, 1.0, 1.0]) @ AFFINE
SIZE = "voxels of a finite, positive size"


def block(
    kind: type[Nifti1Header] = Nifti1Header, order: str = "<", dtype: str = "i2", **fields: Any
) -> bytes:
    """The bytes of a header that is sound but for these fields."""
    found = kind(endianness=order)
    found.set_data_dtype(dtype)
    found.set_data_shape(SHAPE)
    found.set_sform(AFFINE, code=1)
    found.set_qform(AFFINE, code=1)
    found["vox_offset"] = 544 if kind is Nifti2Header else 352
    for name, value in fields.items():
        found[name] = value
    return bytes(found.binaryblock)


def mgh(**fields: Any) -> bytes:
    """The same of FreeSurfer's."""
    found = nibabel.MGHImage(np.zeros(SHAPE, np.int32), AFFINE).header
    for name, value in fields.items():
        found[name] = value
    return bytes(found.binaryblock.ljust(284, b"\0"))


@pytest.mark.parametrize("kind", [Nifti1Header, Nifti2Header])
@pytest.mark.parametrize("order", ["<", ">"])
def test_what_a_sound_header_says(kind: type[Nifti1Header], order: str) -> None:
    first = 544 if kind is Nifti2Header else 352
    found = header(block(kind, order, scl_slope=0.5, scl_inter=-3.0, vox_offset=first + 5))
    assert (found.shape, found.offset, found.is_doubtful) == (SHAPE, first + 5, False)
    assert found.dtype == np.dtype(f"{order}i2")
    assert (found.slope, found.intercept) == (0.5, -3.0)
    assert np.array_equal(found.affine, AFFINE)
    assert found.end == first + 5 + 2 * 20 * 24 * 18


def test_what_freesurfer_s_header_says() -> None:
    found = header(mgh())
    assert (found.shape, found.dtype, found.offset) == (SHAPE, np.dtype(">i4"), 284)
    assert (found.slope, found.intercept, found.has_footer) == (1.0, 0.0, True)
    assert np.array_equal(found.affine, AFFINE)


@pytest.mark.parametrize(
    ("fields", "scaling"),
    [
        ({"scl_slope": 0, "scl_inter": 7}, (1, 0)),
        ({"scl_slope": np.nan, "scl_inter": np.nan}, (1, 0)),
        ({"scl_slope": -1, "scl_inter": 2}, (-1, 2)),
    ],
)
def test_a_slope_of_nothing_scales_nothing(
    fields: dict[str, Any], scaling: tuple[float, float]
) -> None:
    found = header(block(**fields))
    assert (found.slope, found.intercept) == scaling


@pytest.mark.parametrize("dtype", ["u1", "i1", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
def test_real_numbers_of_any_size(dtype: str) -> None:
    assert header(block(dtype=dtype)).dtype == np.dtype(dtype)
    # Nobody needs the bits of a voxel, which the kind of number tells.
    assert header(block(dtype=dtype, bitpix=7)).dtype == np.dtype(dtype)


def test_the_sform_is_taken_and_else_the_qform() -> None:
    both = Nifti1Header(block())
    both.set_qform(FLIPPED, code=1)
    assert np.array_equal(header(both.binaryblock).affine, AFFINE)
    both["sform_code"] = 0
    assert np.allclose(header(both.binaryblock).affine, FLIPPED)
    both["pixdim"][0] = 0  # 1 by the format
    both["qform_code"] = -1
    with pytest.raises(Refusal, match="does not say how it is oriented"):
        header(both.binaryblock)
    plain = block(sform_code=0, pixdim=[0, 2, 2, 2, 1, 1, 1, 1])
    assert np.allclose(header(plain).affine, AFFINE)


@pytest.mark.parametrize(
    ("fields", "is_doubtful"),
    [
        ({}, False),
        ({"qform_code": 0}, False),
        ({"qoffset_x": 50}, False),  # aligned since
        ({"quatern_d": 1}, True),  # turned about: left is right
        ({"pixdim": [-1, 2, 2, 2, 1, 1, 1, 1]}, True),
        ({"pixdim": [1, 2, 2, 2.5, 1, 1, 1, 1]}, True),
        ({"qform_code": 0, "pixdim": [1, 1, 1, 1, 1, 1, 1, 1]}, True),
        ({"pixdim": [1, 2, 2, np.nan, 1, 1, 1, 1]}, True),
        ({"pixdim": [1, 2, 2, -2, 1, 1, 1, 1]}, True),
        ({"quatern_b": 2}, True),
    ],
)
def test_an_sform_that_the_rest_contradicts_is_doubtful(
    fields: dict[str, Any], is_doubtful: bool
) -> None:
    found = header(block(**fields))
    assert np.array_equal(found.affine, AFFINE)
    assert found.is_doubtful is is_doubtful


FORMATS = ".nii, .nii.gz, .mgh, .mgz"
ROWS = {"sform_code": 0}


@pytest.mark.parametrize(
    ("fields", "what", "allowed"),
    [
        ({"sizeof_hdr": 349}, "is no NIfTI or MGH file", FORMATS),
        ({"magic": b"ni1"}, "is no NIfTI file, or one half of a pair", FORMATS),
        ({"magic": b""}, "is no NIfTI file, or one half of a pair", FORMATS),
        ({"dim": [0, 20, 24, 18, 1, 1, 1, 1]}, "has 0 dimensions", "one volume of 3"),
        ({"dim": [8, 20, 24, 18, 1, 1, 1, 1]}, "has 8 dimensions", "one volume of 3"),
        ({"dim": [2, 20, 24, 18, 1, 1, 1, 1]}, "has 2 dimensions (20x24)", "one volume of 3"),
        (
            {"dim": [4, 20, 24, 18, 6, 1, 1, 1]},
            "has 4 dimensions (20x24x18x6)",
            "one volume of 3",
        ),
        (
            {"dim": [3, 20, -24, 18, 1, 1, 1, 1]},
            "has 20x-24x18 voxels",
            "4 or more along each axis",
        ),
        ({"dim": [3, -1, 1, 1, 1, 1, 1, 1]}, "has -1x1x1 voxels", "4 or more along each axis"),
        (
            {"dim": [3, 32767, 32767, 32767, 1, 1, 1, 1]},
            "claims 32767x32767x32767 voxels",
            f"at most {MOST_VOXELS:,} in all",
        ),
        ({"datatype": 1}, "holds binary", "real numbers of up to 64 bits"),
        ({"datatype": 32}, "holds complex64", "real numbers of up to 64 bits"),
        ({"datatype": 128}, "holds RGB", "real numbers of up to 64 bits"),
        ({"datatype": 2304}, "holds RGBA", "real numbers of up to 64 bits"),
        ({"datatype": 3}, "holds numbers of the kind 3", "real numbers of up to 64 bits"),
        ({"xyzt_units": 3}, "is not measured in millimetres", "millimetres, or no unit"),
        (
            {"vox_offset": 348},
            "has its voxels 348 bytes from its beginning",
            "a whole number of 352 or more",
        ),
        (
            {"vox_offset": 352.5},
            "has its voxels 352.5 bytes from its beginning",
            "a whole number of 352 or more",
        ),
        (
            {"vox_offset": np.nan},
            "has its voxels nan bytes from its beginning",
            "a whole number of 352 or more",
        ),
        (
            {"vox_offset": np.inf},
            "has its voxels inf bytes from its beginning",
            "a whole number of 352 or more",
        ),
        ({"scl_slope": np.inf}, "is scaled by inf and 0", "a finite slope and intercept"),
        (
            {"scl_slope": 2, "scl_inter": np.nan},
            "is scaled by 2 and nan",
            "a finite slope and intercept",
        ),
        (
            {"sform_code": 0, "qform_code": 0},
            "does not say how it is oriented",
            "an sform or a qform",
        ),
        (
            {"sform_code": -1, "qform_code": 0},
            "does not say how it is oriented",
            "an sform or a qform",
        ),
        ({"srow_z": [0, 0, 0, 5]}, "has an affine without a size", SIZE),
        ({"srow_z": [0, 0, np.inf, 5]}, "has an affine without a size", SIZE),
        (ROWS | {"quatern_b": 2}, "has an affine without a size", SIZE),
        (ROWS | {"quatern_b": np.nan}, "has an affine without a size", SIZE),
        (ROWS | {"pixdim": [1, 2, -2, 2, 1, 1, 1, 1]}, "has an affine without a size", SIZE),
        (ROWS | {"pixdim": [1, 2, 0, 2, 1, 1, 1, 1]}, "has an affine without a size", SIZE),
        (ROWS | {"pixdim": [2, 2, 2, 2, 1, 1, 1, 1]}, "has an affine without a size", SIZE),
        (
            {"srow_z": [0, 0, 1e9, 5]},
            "has voxels of 2 x 2 x 1e+09 mm",
            "0.001 to 100 mm",
        ),
        ({"srow_z": [0, 0, 1e-9, 5]}, "has voxels of 2 x 2 x 1e-09 mm", "0.001 to 100 mm"),
        (
            {"srow_z": [0, 0, 2, -1e9]},
            "lies 1e+09 mm from the scanner's middle",
            "at most 100000 mm",
        ),
        (
            {"srow_z": [0, 0.5, 2, 5]},
            "has axes that are not at right angles",
            "an affine without shear",
        ),
    ],
)
def test_a_header_that_can_not_be_used(fields: dict[str, Any], what: str, allowed: str) -> None:
    with pytest.raises(Refusal) as caught:
        header(block(**fields))
    assert (caught.value.what, caught.value.allowed) == (what, allowed)


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"version": 2}, "is no NIfTI or MGH file"),
        ({"goodRASFlag": 0}, "does not say how it is oriented"),
        ({"delta": [2, 0, 2]}, "has an affine without a size"),
        ({"delta": [2, -2, 2]}, "has an affine without a size"),
        ({"dims": [20, 24, 18, 3]}, "has 4 dimensions (20x24x18x3)"),
        ({"dims": [20, 24, 0, 1]}, "has 20x24x0x1 voxels"),
        ({"type": 2}, "holds numbers of the kind 2"),
        ({"Mdc": np.zeros((3, 3))}, "has an affine without a size"),
        ({"Pxyz_c": [np.nan, 0, 0]}, "has an affine without a size"),
    ],
)
def test_a_header_of_freesurfer_s_that_can_not_be_used(fields: dict[str, Any], what: str) -> None:
    with pytest.raises(Refusal) as caught:
        header(mgh(**fields))
    assert caught.value.what == what
    assert MGHHeader(mgh())["version"] == 1


def test_changed_line_ends_are_noticed() -> None:
    with pytest.raises(Refusal, match="taken for text"):
        header(block(Nifti2Header, eol_check=[10, 26, 10, 0]))
    assert header(block(Nifti2Header, eol_check=0)).shape == SHAPE


@pytest.mark.parametrize("length", [0, 3, 4, 347])
def test_a_header_that_is_cut_off(length: int) -> None:
    with pytest.raises(Refusal, match="is no NIfTI or MGH file"):
        header(block()[:length])
    with pytest.raises(Refusal, match="is no NIfTI or MGH file"):
        header(mgh()[: min(length, 283)])
