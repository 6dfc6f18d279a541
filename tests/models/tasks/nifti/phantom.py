"""A small head of known anatomy, written to NIfTI files on whatever grid a test asks for."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt
import pytest
from nibabel.orientations import apply_orientation, axcodes2ornt, inv_ornt_aff, ornt_transform

from models.tasks import NiftiSettings
from models.tasks.cohort import Cohort
from sim.record.errors import Refusal

SCANS = ("task", "scans")
SHAPE = (20, 24, 18)
MAP = [("id", "name", "group"), (3, "ball", ""), (7, "left rod", "rod"), (8, "right rod", "rod")]


def head(shape: Sequence[int] = SHAPE) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int16]]:
    """Signal and label ids [x, y, z], RAS: a ball of id 3 with two rods of ids 7 and 8 in it.

    No two of its sides look alike; nothing is labelled at the outermost voxels.
    """
    x, y, z = np.meshgrid(*(np.linspace(-1, 1, size) for size in shape), indexing="ij")
    ids = np.zeros(shape, dtype=np.int16)
    ids[x**2 + (y / 0.9) ** 2 + (z / 0.8) ** 2 < 0.7] = 3
    ids[(np.abs(x + 0.3) < 0.15) & (np.abs(y - 0.2) < 0.3) & (np.abs(z) < 0.2)] = 7
    ids[(np.abs(x - 0.4) < 0.15) & (np.abs(y - 0.1) < 0.2) & (np.abs(z - 0.2) < 0.2)] = 8
    signal = np.where(ids > 0, 100 + 10 * ids + 20 * x + 15 * y + 5 * z, 0)
    return signal.astype(np.float32), ids


def affine_of(shape: Sequence[int], voxel_size_mm: float) -> npt.NDArray[np.float64]:
    """RAS, the middle of the grid at the scanner's middle."""
    affine = np.diag([voxel_size_mm] * 3 + [1.0])
    affine[:3, 3] = -voxel_size_mm * (np.array(shape) - 1) / 2
    return affine


def write(
    file: Path, voxels: npt.NDArray[Any], affine: npt.NDArray[np.float64] | None, axes: str = "RAS"
) -> None:
    """The RAS volume as a file whose axes lead to `axes`."""
    if axes != "RAS":
        turn = ornt_transform(axcodes2ornt("RAS"), axcodes2ornt(axes))
        affine = affine @ inv_ornt_aff(turn, voxels.shape)
        voxels = apply_orientation(voxels, turn)
    file.parent.mkdir(parents=True, exist_ok=True)
    nibabel.save(nibabel.Nifti1Image(voxels, affine), file)


def write_table(file: Path, rows: Sequence[Sequence[object]]) -> None:
    """A CSV file."""
    with file.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows(rows)


def write_subject(
    folder: Path, site: str, subject: str, axes: str = "RAS", voxel_size_mm: float = 2.0
) -> None:
    """The head, as `SITE/SUBJECT` in `folder`."""
    signal, ids = head()
    affine = affine_of(SHAPE, voxel_size_mm)
    write(folder / site / subject / "image.nii.gz", signal, affine, axes)
    write(folder / site / subject / "labels.nii.gz", ids, affine, axes)


def write_sites(folder: Path, sizes: dict[str, int]) -> Path:
    """So many subjects in each site, and the label map beside the scans."""
    scans = folder / "scans"
    for site, size in sizes.items():
        for number in range(size):
            write_subject(scans, site, f"{site}-{number}")
    write_table(folder / "map.csv", MAP)
    return scans


def settings(scans: Path, label_map: Path | None = None, **others: Any) -> NiftiSettings:
    """Of scans whose label map lies beside them, in slices of 24 pixels."""
    label_map = label_map or scans.parent / "map.csv"
    return NiftiSettings(
        name="nifti",
        scans=str(scans),
        label_map=str(label_map),
        **{"image_size": 24, **others},
    )


def loaded(scans: Path, clients: int = 1, **others: Any) -> Cohort:
    """The cohort, told to nobody."""
    return settings(scans, **others).cohort(clients, lambda line: None)


def refused(
    scans: Path, message: str, path: tuple[str, ...] = SCANS, clients: int = 1, **others: Any
) -> None:
    """Loading raises a Refusal of exactly this message and path."""
    with pytest.raises(Refusal) as caught:
        loaded(scans, clients, **others)
    assert str(caught.value) == message
    assert caught.value.path == path
