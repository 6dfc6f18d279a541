"""Volumes: each mistake in a NIfTI file is told in one line that names it."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import pytest

from models.tasks.nifti import volumes
from tests.models.tasks.nifti.phantom import (
    MAP,
    SHAPE,
    affine_of,
    head,
    loaded,
    refused,
    write,
    write_sites,
    write_table,
)

FORMATS = ".nii, .nii.gz, .mgh, .mgz"
REAL = "real numbers of up to 64 bits"
SIZE = "voxels of a finite, positive size"
WHOLE = "label ids, or what is less than 0.001 off"


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    return write_sites(tmp_path, {"site": 3})


def unlike(**changes: Any) -> Callable[[Path], None]:
    """Writes the phantom's image or labels with header fields changed."""

    def spoil(file: Path) -> None:
        image = nibabel.load(file)
        for name, value in changes.items():
            image.header[name] = value
        nibabel.save(nibabel.Nifti1Image(np.asarray(image.dataobj), None, image.header), file)

    return spoil


def voxels(change: Callable[[Any], Any]) -> Callable[[Path], None]:
    """Writes the volume with its voxels changed."""

    def spoil(file: Path) -> None:
        image = nibabel.load(file)
        changed = np.asarray(change(np.asarray(image.dataobj)))
        file.unlink()
        nibabel.save(nibabel.Nifti1Image(changed, image.affine), file)

    return spoil


def placed(*values: Any) -> Callable[[Any], Any]:
    """The volume as float32 with its first voxels changed to `values`."""

    def change(volume: Any) -> Any:
        volume = volume.astype(np.float32)  # a copy
        volume[0, 0, : len(values)] = values
        return volume

    return change


def sheared(file: Path) -> None:
    affine = affine_of(SHAPE, 2.0)
    affine[0, 1] = 0.5
    write(file, head()[0], affine)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-200])


def cut_uncompressed(file: Path) -> None:
    file.write_bytes(gzip.compress(gzip.decompress(file.read_bytes())[:-200]))


def garbled(file: Path) -> None:
    whole = bytearray(file.read_bytes())
    whole[len(whole) // 2 : len(whole) // 2 + 50] = b"\xff" * 50
    file.write_bytes(whole)


@pytest.mark.parametrize(
    ("name", "spoil", "what", "allowed"),
    [
        ("image", lambda file: file.write_bytes(b"x" * 500), "is no NIfTI or MGH file", FORMATS),
        ("image", lambda file: file.write_bytes(b""), "is no NIfTI or MGH file", FORMATS),
        (
            "labels",
            lambda file: file.write_bytes(gzip.compress(b"x")),
            "is no NIfTI or MGH file",
            FORMATS,
        ),
        ("image", cut, "is cut off or damaged", "a whole file"),
        ("image", cut_uncompressed, "is cut off or damaged", "a whole file"),
        ("image", garbled, "is cut off or damaged", "a whole file"),
        ("labels", cut, "is cut off or damaged", "a whole file"),
        (
            "image",
            voxels(lambda one: np.stack([one] * 2, -1)),
            "has 4 dimensions (20x24x18x2)",
            "one volume of 3",
        ),
        ("image", voxels(lambda one: one[0]), "has 2 dimensions (24x18)", "one volume of 3"),
        ("image", voxels(lambda one: one[:3]), "has 3x24x18 voxels", "4 or more along each axis"),
        ("image", voxels(lambda one: one.astype(np.complex64)), "holds complex64", REAL),
        (
            "image",
            unlike(sform_code=0, qform_code=0),
            "does not say how it is oriented",
            "an sform or a qform",
        ),
        (
            "image",
            unlike(xyzt_units=1),
            "is not measured in millimetres",
            "millimetres, or no unit",
        ),
        (
            "image",
            unlike(xyzt_units=255),
            "is not measured in millimetres",
            "millimetres, or no unit",
        ),
        ("image", unlike(srow_x=0), "has an affine without a size", SIZE),
        ("image", unlike(srow_x=np.nan), "has an affine without a size", SIZE),
        ("image", sheared, "has axes that are not at right angles", "an affine without shear"),
        (
            "labels",
            voxels(lambda one: one[1:]),
            "its image has another shape (20x24x18 and 19x24x18 voxels)",
            "labels on the image's own grid",
        ),
        (
            "labels",
            unlike(srow_x=(2, 0, 0, 5)),
            "its image lies elsewhere (their affines differ)",
            "labels on the image's own grid",
        ),
        (
            "image",
            voxels(lambda one: np.where(one > 170, [[[np.nan, np.inf] * 9]], one)),
            f"{(head()[0] > 170).sum()} labelled voxels are infinite or no number",
            "finite numbers where something is labelled",
        ),
        (
            "image",
            voxels(lambda one: np.where(one > 170, 1e300, one.astype(np.float64))),
            f"{(head()[0] > 170).sum()} labelled voxels are infinite or no number",
            "finite numbers where something is labelled",
        ),
        (
            "image",
            voxels(np.zeros_like),
            "constant wherever it is not background",
            "an image with contrast",
        ),
        (
            "image",
            voxels(np.ones_like),
            "constant wherever it is not background",
            "an image with contrast",
        ),
        ("labels", voxels(placed(np.nan)), "1 voxels are infinite or no number", "finite numbers"),
        ("labels", voxels(placed(2.5, 3.25)), "2 voxels hold no whole number", WHOLE),
        (
            "labels",
            voxels(placed(99, 4, 4)),
            "unknown label ids 4, 99 in 3 voxels",
            "the ids of task.label_map",
        ),
        (
            "labels",
            voxels(placed(-1)),
            "unknown label ids -1 in 1 voxels",
            "the ids of task.label_map",
        ),
        (
            "labels",
            voxels(placed(*range(10, 17))),
            "unknown label ids 10, 11, 12, 13, 14 and 2 more in 7 voxels",
            "the ids of task.label_map",
        ),
        (
            "labels",
            voxels(np.zeros_like),
            "no structure",
            "one structure of task.label_map or more",
        ),
    ],
)
def test_a_file_that_can_not_be_used(
    scans: Path, name: str, spoil: Callable[[Path], None], what: str, allowed: str
) -> None:
    file = scans / "site" / "site-1" / f"{name}.nii.gz"
    spoil(file)
    refused(scans, f"{file}: {what}; allowed: {allowed}")


def test_headers_are_checked_before_any_voxel_is_read(
    scans: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(volumes, "turned", lambda volume, plane: pytest.fail("too early"))
    file = scans / "site" / "site-1" / "labels.nii.gz"
    file.unlink()
    file.write_bytes(b"no header")
    refused(scans, f"{file}: is no NIfTI or MGH file; allowed: {FORMATS}")


def test_one_volume_may_be_called_the_only_one_of_many(scans: Path) -> None:
    before = loaded(scans).subjects[1].images
    voxels(lambda one: one[..., None])(scans / "site" / "site-1" / "image.nii.gz")
    assert np.array_equal(loaded(scans).subjects[1].images, before)


def test_a_file_that_is_missing(scans: Path, tmp_path: Path) -> None:
    table, labels = tmp_path / "scans.csv", scans / "site" / "site-0" / "labels.nii.gz"
    header = ("site", "subject", "image", "labels")
    others = [
        ("site", name, f"scans/site/{name}/image.nii.gz", labels) for name in ("site-1", "site-2")
    ]
    write_table(table, [header, ("site", "one", "scan.mgz", labels), *others])
    refused(
        table,
        f"{table}, line 2: no such file {tmp_path}/scan.mgz; allowed: a NIfTI or MGH file",
    )


def test_a_slice_that_is_too_small_names_the_size_for_all(scans: Path) -> None:
    signal, ids = head((60, 20, 20))
    file = scans / "site" / "site-1" / "labels.nii.gz"
    write(file, ids, affine_of(ids.shape, 2.0))
    write(file.parent / "image.nii.gz", signal, affine_of(ids.shape, 2.0))
    width = int(np.ptp(np.flatnonzero(ids.any(axis=(1, 2))))) + 1
    allowed = "an image_size of 64, or larger voxels"
    message = f"{file}: structures {width} pixels wide; allowed: {allowed}"
    refused(scans, message, ("task", "image_size"), image_size=8)
    assert loaded(scans, image_size=width).subjects[1].labels.shape[1:] == (width, width)


def test_voxels_in_which_all_structures_vanish(scans: Path) -> None:
    file = scans / "site" / "site-0" / "labels.nii.gz"
    voxels(lambda one: np.pad(np.full((1, 1, 1), 3, np.int16), [(9, 10), (9, 14), (9, 8)]))(file)
    what = f"{file}: structures too small for task.voxel_size_mm; allowed: smaller voxels"
    refused(scans, what, ("task", "voxel_size_mm"), voxel_size_mm=7.0)


def test_a_missing_library_names_the_extra(scans: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchio", None)
    what = "the task nifti needs the extra `brains`"
    refused(
        scans,
        f'{what}; allowed: pip install ".[brains]", in the folder of its sources',
        ("task", "name"),
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda ids: ids - 1e-7 * (ids > 0),
        lambda ids: ids.astype(np.float32) * np.float32(1.000001),
        lambda ids: ids + 0.0009,
        lambda ids: ids.astype(np.uint32),
    ],
)
def test_ids_a_rounding_error_off_are_whole(scans: Path, change: Callable[[Any], Any]) -> None:
    before = loaded(scans).subjects[1].labels
    voxels(change)(scans / "site" / "site-1" / "labels.nii.gz")
    assert np.array_equal(loaded(scans).subjects[1].labels, before)


def test_ids_that_were_scaled_are_whole(scans: Path, tmp_path: Path) -> None:
    write_table(tmp_path / "map.csv", [*MAP, (70_000, "cap", ""), (1_000_000, "tip", "")])
    file, (_, ids) = scans / "site" / "site-1" / "labels.nii.gz", head()
    ids = ids.astype(np.int64)
    ids[0, 0, :2] = 70_000, 1_000_000
    image = nibabel.Nifti1Image(10 * ids, affine_of(SHAPE, 2.0), dtype=np.int64)
    raw = bytearray(image.to_bytes())
    raw[112:116] = np.float32(0.1).tobytes()  # scl_slope, a little more than a tenth
    raw[116:120] = np.float32(0).tobytes()
    file.write_bytes(gzip.compress(bytes(raw)))
    assert np.abs(nibabel.load(file).get_fdata() - ids).max() > 0.01
    counts = np.bincount(loaded(scans, image_size=32).subjects[1].labels.ravel(), minlength=5)
    assert counts[1:3].tolist() == [(ids == 3).sum(), ((ids == 7) | (ids == 8)).sum()]
    assert counts[3:].tolist() == [1, 1]


def test_a_large_id_that_is_no_whole_number(scans: Path, tmp_path: Path) -> None:
    write_table(tmp_path / "map.csv", [*MAP, (70_000, "cap", "")])
    file = scans / "site" / "site-1" / "labels.nii.gz"
    voxels(lambda one: np.where(one == 8, 70_000.02, one))(file)
    what = f"{(head()[1] == 8).sum()} voxels hold no whole number"
    refused(scans, f"{file}: {what}; allowed: {WHOLE}")


def test_freesurfer_s_volumes_give_the_same_subjects(scans: Path) -> None:
    before = loaded(scans).subjects[1]
    folder = scans / "site" / "site-1"
    for name in ("image", "labels"):
        image = nibabel.load(folder / f"{name}.nii.gz")
        voxels_of = np.asarray(image.dataobj)
        nibabel.save(nibabel.MGHImage(voxels_of, image.affine), folder / f"{name}.mgz")
        (folder / f"{name}.nii.gz").unlink()
    after = loaded(scans).subjects[1]
    assert after.images.tobytes() == before.images.tobytes()
    assert after.labels.tobytes() == before.labels.tobytes()


def test_more_slices_than_can_be_meant(scans: Path) -> None:
    affine = affine_of(SHAPE, 2.0) @ np.diag([1, 50, 1, 1])
    folder = scans / "site" / "site-1"
    signal, ids = head()
    file = folder / "labels.nii.gz"
    write(file, ids, affine)
    write(folder / "image.nii.gz", signal, affine)
    what = f"{file}: 180,001 slices hold structures; allowed: voxels so large that 8,192 do"
    refused(scans, what, ("task", "voxel_size_mm"), voxel_size_mm=0.01)
