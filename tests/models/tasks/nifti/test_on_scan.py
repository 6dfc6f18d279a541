"""The way back: labels of slices at the voxels of the scan that they came from."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import nibabel
import numpy as np
import numpy.typing as npt
import pytest
from nibabel.affines import apply_affine
from nibabel.eulerangles import euler2mat

from models.tasks.cohort import Scanned
from models.tasks.nifti.volumes import on_scan
from tests.models.tasks.nifti.phantom import MAP, SHAPE, affine_of, head, loaded, write, write_table

STRUCTURES = {3: 1, 7: 2, 8: 2}


def first(
    folder: Path, affine: npt.NDArray[np.float64], axes: str, voxel_size_mm: float
) -> Scanned:
    write_table(folder / "map.csv", MAP)
    signal, ids = head()
    for subject in ("one", "two", "three"):
        place = folder / "scans" / "site" / subject
        write(place / "image.nii.gz", signal, affine, axes)
        write(place / "labels.nii.gz", ids, affine, axes)
    found, *_ = loaded(folder / "scans", voxel_size_mm=voxel_size_mm).subjects
    return cast(Scanned, found)


def turned(affine: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """As of somebody who lies a little askew, and not in the middle."""
    oblique = affine.copy()
    oblique[:3, :3] = euler2mat(0.2, -0.1, 0.3) @ oblique[:3, :3]
    oblique[:3, 3] = 11, -7, 30
    return oblique


@pytest.mark.parametrize("is_oblique", [False, True])
@pytest.mark.parametrize("axes", ["RAS", "LPS", "AIL", "SRP"])
def test_each_label_returns_to_the_voxel_that_it_came_from(
    tmp_path: Path, axes: str, is_oblique: bool
) -> None:
    affine = affine_of(SHAPE, 2.0)
    subject = first(tmp_path, turned(affine) if is_oblique else affine, axes, 2.0)
    file = nibabel.load(tmp_path / "scans" / "site" / "one" / "labels.nii.gz")
    ids = np.asarray(file.dataobj)
    found = on_scan(subject.labels, subject)
    assert found.dtype == np.uint8 and found.shape == file.shape == subject.scan_shape
    assert np.array_equal(subject.scan_affine, file.affine)
    for number, structure in STRUCTURES.items():
        assert (found[ids == number] == structure).all()
    assert not found[ids == 0].any()


def test_a_coarse_label_covers_the_voxels_next_to_it(tmp_path: Path) -> None:
    subject = first(tmp_path, turned(affine_of(SHAPE, 2.0)), "PIR", 5.0)
    found = on_scan(subject.labels, subject)
    voxels = np.moveaxis(np.indices(found.shape), 0, -1)
    places = apply_affine(np.linalg.inv(subject.affine) @ subject.scan_affine, voxels)
    nearest = np.rint(places).astype(int)
    inside = ((nearest >= 0) & (nearest < subject.labels.shape)).all(axis=-1)
    # Halfway between two pixels either is the nearest.
    clear = (np.abs(places - nearest) < 0.499).all(axis=-1)
    assert (inside & clear).sum() > 1000
    expected = subject.labels[tuple(nearest[inside & clear].T)]
    assert np.array_equal(found[inside & clear], expected) and expected.any()
    assert not found[~inside & clear].any()
