"""Slices: one cohort whatever the files' orientation, and every pixel where its affine says."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import numpy.typing as npt
import pytest
import torch
from nibabel.affines import apply_affine

from models.tasks.cohort import Subject
from models.tasks.nifti.volumes import background
from tests.models.tasks.nifti.phantom import (
    MAP,
    SHAPE,
    affine_of,
    head,
    loaded,
    write,
    write_sites,
    write_subject,
    write_table,
)

PLANES = ("coronal", "axial", "sagittal")
NUMBERS = {0: 0, 3: 1, 7: 2, 8: 2}


def numbered(ids: npt.NDArray[np.int16]) -> npt.NDArray[np.uint8]:
    return np.asarray(np.vectorize(NUMBERS.__getitem__)(ids), dtype=np.uint8)


def points_mm(subject: Subject) -> npt.NDArray[np.float64]:
    pixels = np.moveaxis(np.indices(subject.labels.shape), 0, -1)
    return np.asarray(apply_affine(subject.affine, pixels))


@pytest.mark.parametrize("plane", PLANES)
@pytest.mark.parametrize("axes", ["RAS", "LAS", "LPS", "PIR", "ILA", "SRP"])
def test_pixels_are_the_voxels_that_the_affine_leads_back_to(
    tmp_path: Path, plane: str, axes: str
) -> None:
    write_table(tmp_path / "map.csv", MAP)
    for subject in ("one", "two", "three"):
        write_subject(tmp_path / "scans", "site", subject, axes)
    first, *_ = loaded(tmp_path / "scans", plane=plane).subjects
    signal, ids = head()
    voxels = np.rint(apply_affine(np.linalg.inv(affine_of(SHAPE, 2.0)), points_mm(first)))
    inside = ((voxels >= 0) & (voxels < SHAPE)).all(axis=-1)
    x, y, z = voxels[inside].astype(int).T
    low, high = np.percentile(signal[signal != 0], (1, 99))
    expected = np.clip((signal - low) / (high - low), 0, 1)
    assert np.array_equal(first.labels[inside], numbered(ids)[x, y, z])
    assert np.allclose(first.images[inside], expected[x, y, z], atol=1e-5)
    assert not first.labels[~inside].any() and not first.images[~inside].any()
    assert np.bincount(first.labels.ravel()).tolist()[1:] == [
        (ids == 3).sum(),
        (ids == 7).sum() + (ids == 8).sum(),
    ]


@pytest.mark.parametrize("plane", PLANES)
def test_every_orientation_gives_the_same_bits(tmp_path: Path, plane: str) -> None:
    write_table(tmp_path / "map.csv", MAP)
    for number, axes in enumerate(("RAS", "LPI", "AIL", "SPR", "IRA")):
        write_subject(tmp_path / "scans", "site", f"{number}", axes)
    first, *others = loaded(tmp_path / "scans", plane=plane, voxel_size_mm=3.0).subjects
    for other in others:
        assert np.array_equal(first.images, other.images)
        assert np.array_equal(first.labels, other.labels)
        assert np.array_equal(first.affine, other.affine)


@pytest.mark.parametrize(
    ("plane", "right", "front", "top"),
    [
        ("coronal", (0, 0, 1), (1, 0, 0), (0, -1, 0)),
        ("axial", (0, 0, 1), (0, -1, 0), (1, 0, 0)),
        ("sagittal", (1, 0, 0), (0, 0, 1), (0, -1, 0)),
    ],
)
def test_heads_are_upright(
    tmp_path: Path,
    plane: str,
    right: tuple[int, int, int],
    front: tuple[int, int, int],
    top: tuple[int, int, int],
) -> None:
    first, *_ = loaded(write_sites(tmp_path, {"site": 3}), plane=plane).subjects
    assert np.array_equal(first.affine[:3, :3], 2.0 * np.array([right, front, top]))


def test_slices_lead_from_the_first_structure_to_the_last(tmp_path: Path) -> None:
    _, ids = head()
    first, *_ = loaded(write_sites(tmp_path, {"site": 3})).subjects
    held = ids.any(axis=(0, 2))
    assert first.labels.shape == first.images.shape == (held.sum(), 24, 24)
    assert first.labels[0].any() and first.labels[-1].any()
    assert first.labels.dtype == np.uint8
    assert first.images.dtype == np.float32
    assert first.affine.dtype == np.float64
    assert first.images.min() == 0 and first.images.max() == 1


def test_what_is_labelled_lies_in_the_middle(tmp_path: Path) -> None:
    write_table(tmp_path / "map.csv", MAP)
    signal, ids = head()
    for subject in ("one", "two", "three"):
        # Two voxels more on one side: the structures stay where they were.
        ids, signal = (
            np.pad(ids, [(0, 2), (0, 0), (0, 0)]),
            np.pad(signal, [(0, 2), (0, 0), (0, 0)]),
        )
        folder = tmp_path / "scans" / "site" / subject
        write(folder / "labels.nii.gz", ids, affine_of(ids.shape, 2.0))
        write(folder / "image.nii.gz", signal, affine_of(ids.shape, 2.0))
    one, two, _ = loaded(tmp_path / "scans", image_size=32).subjects
    assert np.array_equal(one.labels, two.labels)
    for axis in (1, 2):
        held = np.flatnonzero(one.labels.any(axis=(0, 3 - axis)))
        assert abs(held[0] - (31 - held[-1])) <= 1


@pytest.mark.parametrize("source_mm", [1.0, 1.5, 3.0])
def test_voxel_sizes_are_evened_out(tmp_path: Path, source_mm: float) -> None:
    write_table(tmp_path / "map.csv", MAP)
    shape = tuple(round(40 / source_mm) for _ in range(3))
    signal, ids = head(shape)
    affine = affine_of(shape, source_mm)
    for subject in ("one", "two", "three"):
        write(tmp_path / "scans/site" / subject / "image.nii.gz", signal, affine)
        write(tmp_path / "scans/site" / subject / "labels.nii.gz", ids, affine)
    first, *_ = loaded(tmp_path / "scans").subjects
    assert np.allclose(nibabel.affines.voxel_sizes(first.affine), 2.0)
    # Each pixel has the label of the voxel that it lies in; its borders may go either way.
    voxels = apply_affine(np.linalg.inv(affine), points_mm(first))
    nearest = np.rint(voxels)
    certain = (np.abs(voxels - nearest) < 0.49).all(axis=-1)
    certain &= ((nearest >= 0) & (nearest < shape)).all(axis=-1)
    x, y, z = nearest[certain].astype(int).T
    assert np.array_equal(first.labels[certain], numbered(ids)[x, y, z])
    volume_mm3 = (ids > 0).sum() * source_mm**3
    assert np.isclose((first.labels > 0).sum() * 8, volume_mm3, rtol=0.1)


def test_finer_slices_reach_to_the_outermost_voxels_edges(tmp_path: Path) -> None:
    _, ids = head()
    scans = write_sites(tmp_path, {"site": 3})
    for subject in ("site-0", "site-1"):
        write_subject(scans, "site", subject, voxel_size_mm=3.0)
    first, *_ = loaded(scans, voxel_size_mm=1.0, image_size=64).subjects
    # Slices to the front, rows down, columns to the right; three pixels to a voxel.
    expected = numbered(ids).transpose(1, 2, 0)[:, ::-1].repeat(3, 0).repeat(3, 1).repeat(3, 2)
    boxes = [np.argwhere(labels) for labels in (first.labels, expected)]
    found, wanted = (
        labels[tuple(map(slice, box.min(0), box.max(0) + 1))]
        for labels, box in zip((first.labels, expected), boxes, strict=True)
    )
    assert np.array_equal(found, wanted)


def test_a_slice_whose_structures_vanish_is_no_first_slice(tmp_path: Path) -> None:
    write_table(tmp_path / "map.csv", MAP)
    ids = np.zeros((29, 29, 29), dtype=np.int16)
    ids[8:21, 8:21, 8:21] = 3
    ids[10, 4, 10] = 7  # between the pixels of the slice at 4 mm
    for subject in ("one", "two", "three"):
        write(tmp_path / "scans/site" / subject / "labels.nii.gz", ids, np.eye(4))
        signal = np.indices(ids.shape).sum(axis=0).astype(np.float32)
        write(tmp_path / "scans/site" / subject / "image.nii.gz", signal, np.eye(4))
    first, *_ = loaded(tmp_path / "scans", voxel_size_mm=4.0).subjects
    assert points_mm(first)[:, 0, 0, 1].tolist() == [8, 12, 16, 20]
    assert (first.labels == 1).sum(axis=(1, 2)).tolist() == [16] * 4


def test_fine_voxels_are_averaged(tmp_path: Path) -> None:
    write_table(tmp_path / "map.csv", MAP)
    shape = (40, 48, 36)
    _, ids = head(shape)
    board = 100 + 50 * (np.indices(shape).sum(axis=0) % 2 * 2 - 1)  # single voxels flicker
    board[0, 0, 0] = 0
    for subject in ("one", "two", "three"):
        folder = tmp_path / "scans" / "site" / subject
        write(folder / "image.nii.gz", board.astype(np.float32), affine_of(shape, 1.0))
        write(folder / "labels.nii.gz", ids, affine_of(shape, 1.0))
    first, *_ = loaded(tmp_path / "scans").subjects
    assert first.images[:, 8:16, 8:16].std() < 0.05
    assert 0.45 < first.images[:, 8:16, 8:16].mean() < 0.55


def test_an_oblique_scan_keeps_its_place(tmp_path: Path) -> None:
    write_table(tmp_path / "map.csv", MAP)
    signal, ids = head()
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]]
    affine = turn @ affine_of(SHAPE, 2.0)
    for subject in ("one", "two", "three"):
        write(tmp_path / "scans/site" / subject / "image.nii.gz", signal, affine)
        write(tmp_path / "scans/site" / subject / "labels.nii.gz", ids, affine)
    first, *_ = loaded(tmp_path / "scans").subjects
    held = points_mm(first)[first.labels == 2]
    source = apply_affine(affine, np.argwhere((ids == 7) | (ids == 8)))
    assert np.allclose(sorted(held.tolist()), sorted(source.tolist()), atol=1e-4)


def test_brightness_is_relative(tmp_path: Path) -> None:
    write_table(tmp_path / "map.csv", MAP)
    signal, ids = head()
    signal[9, 9, 9] = 1e6  # one bright voxel dims nothing
    for subject, gain in (("one", 1), ("two", 8), ("three", 1)):
        write(tmp_path / "scans/site" / subject / "image.nii.gz", gain * signal, np.eye(4))
        write(tmp_path / "scans/site" / subject / "labels.nii.gz", ids, np.eye(4))
    one, _, two = loaded(tmp_path / "scans", voxel_size_mm=1.0).subjects
    assert np.allclose(one.images, two.images, atol=1e-5)
    assert np.median(one.images[one.labels > 0]) > 0.2


def test_loading_again_gives_the_same_bits_and_draws_from_no_shared_generator(
    tmp_path: Path,
) -> None:
    scans = write_sites(tmp_path, {"site": 3})
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first, second = loaded(scans), loaded(scans)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert first.structures == second.structures == ("ball", "rod")
    for one, other in zip(first.subjects, second.subjects, strict=True):
        assert one.images.tobytes() == other.images.tobytes()
        assert one.labels.tobytes() == other.labels.tobytes()


@pytest.mark.parametrize("around", [0.0, -1024.0, 3.25])
def test_contrast_is_the_same_whatever_slope_and_intercept(tmp_path: Path, around: float) -> None:
    write_table(tmp_path / "map.csv", MAP)
    signal, ids = head()
    stored = np.rint(signal).astype(np.int16)
    stored[9, 9, 9] = 0  # as dark as what is around the head
    for subject, (slope, intercept) in {
        "one": (1.0, 0.0),
        "two": (1.0, around),
        "three": (0.25, -around),
    }.items():
        image = nibabel.Nifti1Image(stored, affine_of(SHAPE, 2.0))
        image.header.set_slope_inter(slope, intercept)
        folder = tmp_path / "scans" / "site" / subject
        write(folder / "labels.nii.gz", ids, affine_of(SHAPE, 2.0))
        raw = image.to_bytes()
        (folder / "image.nii").write_bytes(raw)
        assert stored.tobytes("F") in raw
    one, *others = loaded(tmp_path / "scans").subjects
    low, high = np.percentile(stored[stored != 0], (1, 99))
    expected = np.clip((stored - low) / (high - low), 0, 1)[ids >= 7]
    assert np.allclose(np.sort(one.images[one.labels == 2]), np.sort(expected), atol=1e-5)
    for other in others:
        assert np.allclose(one.images, other.images, atol=1e-5)


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        (np.pad(np.arange(1.0, 217.0).reshape(6, 6, 6), 1), 0),
        (np.pad(np.arange(-108.0, 108.0).reshape(6, 6, 6), 1), 0),  # standardised, and masked
        (np.pad(np.arange(1.0, 217.0).reshape(6, 6, 6), 1, constant_values=-3024), -3024),
        (np.arange(5.0, 221.0).reshape(6, 6, 6), 5),  # noise all around
        (np.pad(np.full((6, 6, 6), 7.0), [(1, 1), (1, 1), (0, 0)]), 0),  # a slab
        (np.pad(np.arange(1.0, 217.0).reshape(6, 6, 6), 1, constant_values=np.nan), np.nan),
        (np.pad(np.arange(5.0, 221.0).reshape(6, 6, 6), [(0, 1), (0, 0), (0, 0)]), 0),
    ],
)
def test_background_is_what_lies_around(image: npt.NDArray[np.float64], expected: float) -> None:
    assert np.array_equal(background(image.astype(np.float32)), expected, equal_nan=True)
