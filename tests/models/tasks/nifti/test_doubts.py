"""Doubts: what can be used and may be wrong is said, with the names of whom it is about."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import nibabel
import numpy as np
import pytest

from tests.models.tasks.nifti.phantom import (
    MAP,
    SHAPE,
    affine_of,
    head,
    loaded,
    refused,
    write,
    write_table,
)

SIGNAL, IDS = head()
AFFINE = affine_of(SHAPE, 2.0)
SPLITS = {("s", "a"): "train", ("s", "b"): "validation", ("s", "c"): "test"}
HEADER = ("site", "subject", "image", "labels", "split")


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """Of three people who don't look alike."""
    write_table(tmp_path / "map.csv", MAP)
    for number, (_, name) in enumerate(SPLITS):
        ids = IDS.copy()
        ids[10, 12, 9 + number] = 0
        write(tmp_path / f"{name}.nii.gz", SIGNAL + np.float32(number) * (IDS == 3), AFFINE)
        write(tmp_path / f"{name}_labels.nii.gz", ids, AFFINE)
    return listed(tmp_path, SPLITS)


def listed(folder: Path, splits: dict[tuple[str, str], str], **others: str) -> Path:
    """A table of subjects by site and name, with files by their names or as `others` say."""
    rows = []
    for (site, name), split in splits.items():
        files = f"{others.get(name, name)}.nii.gz", f"{others.get(name, name)}_labels.nii.gz"
        rows.append((site, name, *files, split))
    write_table(folder / "scans.csv", [HEADER, *rows])
    return folder / "scans.csv"


def said(scans: Path, clients: int = 1) -> list[str]:
    """The notes, less the table's name that each begins with."""
    notes = loaded(scans, clients).notes
    assert all(note.startswith(f"{scans}: ") for note in notes)
    return [note.removeprefix(f"{scans}: ") for note in notes]


def test_nothing_is_said_of_scans_in_which_all_is_well(scans: Path) -> None:
    assert said(scans) == []


def other_way(file: Path) -> None:
    """The same scan, its axes turned, as larger numbers."""
    write(file, (2 * SIGNAL).astype(np.float64), AFFINE, "LIA")


def anew(file: Path) -> None:
    file.write_bytes(gzip.compress(gzip.decompress((file.parent / "a.nii.gz").read_bytes()), 1))


@pytest.mark.parametrize("copy", [anew, other_way])
def test_a_scan_that_is_trained_on_and_tested_on(scans: Path, copy: object) -> None:
    assert callable(copy)
    copy(scans.parent / "c.nii.gz")
    if copy is other_way:
        write(scans.parent / "c_labels.nii.gz", IDS, AFFINE, "LIA")
    assert said(scans) == [
        "one scan is there under another name for another purpose, so scores may be too good: "
        "'c' (test) is 'a' (training)"
    ]


def test_a_scan_that_is_trained_on_twice(scans: Path) -> None:
    for name in ("d", "e"):
        file = scans.parent / f"{name}.nii.gz"
        anew(file)
        write(file.with_name(f"{name}_labels.nii.gz"), IDS, AFFINE)
    listed(scans.parent, {**SPLITS, ("s", "d"): "train", ("s", "e"): "train"})
    assert said(scans) == ["2 scans are there twice, under two names: 'd' is 'a', 'e' is 'a'"]


def test_labels_of_somebody_else(scans: Path) -> None:
    labels = [scans.parent / f"{name}_labels.nii.gz" for name in "ab"]
    labels[1].write_bytes(labels[0].read_bytes())
    assert said(scans) == ["one scan is labelled as another image is, voxel for voxel: 'b' as 'a'"]


@pytest.mark.parametrize("link", [os.link, os.symlink])
def test_one_file_under_two_names_is_refused(scans: Path, link: object) -> None:
    assert callable(link)
    image = scans.parent / "c.nii.gz"
    image.unlink()
    link(scans.parent / "a.nii.gz", image)
    what = f"{image}: belongs to the subjects 'a' and 'c'"
    refused(scans, f"{what}; allowed: an image of its own for each subject")


def test_another_way_to_one_file_is_no_other_file(scans: Path) -> None:
    (scans.parent / "deep").mkdir()
    listed(scans.parent, SPLITS, c="deep/../a")
    what = f"{scans.parent}/deep/../a.nii.gz: belongs to the subjects 'a' and 'c'"
    refused(scans, f"{what}; allowed: an image of its own for each subject")


def test_names_that_look_the_same(scans: Path) -> None:
    write(scans.parent / "d.nii.gz", SIGNAL + 5 * (IDS == 7), AFFINE)
    write(scans.parent / "d_labels.nii.gz", np.where(IDS == 8, 7, IDS), AFFINE)
    listed(scans.parent, {**SPLITS, ("S", "d"): "train"})
    assert said(scans, 2) == [
        "the sites 'S' and 's' differ in case or width alone, and count as two"
    ]
    listed(scans.parent, {**SPLITS, ("s", "A"): "train"}, A="d")
    assert said(scans) == [
        "the subjects 'A' and 'a' differ in case or width alone, and count as two"
    ]
    listed(scans.parent, {**SPLITS, ("s", "a\u200b"): "train"}, **{"a\u200b": "d"})
    what = rf"{scans}: the subjects 'a' and 'a\u200b' look the same"
    refused(scans, f"{what}; allowed: names that can be told apart, or one name")
    write_table(scans.parent / "map.csv", [*MAP[:-1], (8, "r", "Rod")])
    listed(scans.parent, SPLITS)
    assert loaded(scans).notes == (
        f"{scans.parent}/map.csv: the structures 'rod' and 'Rod' differ in case or width alone, "
        "and count as two",
    )


def test_no_numbers_where_nothing_is_labelled_are_background(scans: Path) -> None:
    before = loaded(scans).subjects
    blank = SIGNAL.copy()
    blank[IDS == 0] = np.nan
    blank[0, 0, 0], blank[1, 0, 0] = np.inf, -np.inf
    write(scans.parent / "a.nii.gz", blank, AFFINE)
    blank[IDS == 0] = 0
    blank[0] = np.nan
    write(scans.parent / "b.nii.gz", np.where(IDS == 3, blank + 1, blank), AFFINE)
    assert said(scans) == [
        "2 scans are without finite numbers in places, which are taken for background: "
        f"'a' ({(IDS == 0).sum():,} voxels), 'b' (432 voxels)"
    ]
    for one, other in zip(loaded(scans).subjects, before, strict=True):
        assert one.images.tobytes() == other.images.tobytes()


def test_an_sform_that_the_qform_contradicts(scans: Path) -> None:
    for name in ("b", "b_labels"):
        file = scans.parent / f"{name}.nii.gz"
        image = nibabel.load(file)
        image.set_qform(np.diag([-1, 1, 1, 1]) @ AFFINE, code=1)
        nibabel.save(nibabel.Nifti1Image(np.asarray(image.dataobj), None, image.header), file)
    before = loaded(scans).subjects[1].images
    assert said(scans) == [
        "one scan is placed by the sform, which the qform or the voxel sizes (pixdim) contradict: "
        "'b'"
    ]
    assert before.tobytes() == loaded(scans).subjects[1].images.tobytes()


def test_of_many_a_few_are_named(scans: Path) -> None:
    names = "abcdefg"
    for name in names[3:]:
        anew(scans.parent / f"{name}.nii.gz")
        write(scans.parent / f"{name}_labels.nii.gz", IDS, AFFINE)
    (line,) = said(listed(scans.parent, SPLITS | {("s", name): "train" for name in names[3:]}))
    assert line.startswith("4 scans are there twice") and line.endswith("'f' is 'a', 1 more")


def test_labels_that_pass_for_an_image_are_refused(scans: Path) -> None:
    image = scans.parent / "c.nii.gz"
    labels = nibabel.load(scans.parent / "c_labels.nii.gz")
    write(image, np.asarray(labels.dataobj).astype(np.float64), AFFINE)
    what = f"{image}: holds what {scans.parent}/c_labels.nii.gz holds"
    refused(scans, f"{what}; allowed: an image and its labels")


def test_what_was_assumed_of_tables_is_said(scans: Path) -> None:
    before = loaded(scans).subjects
    label_map = scans.parent / "map.csv"
    for file in (scans, label_map):
        file.write_text(file.read_text().replace(",", ";"))
    assert loaded(scans).notes == (
        f"{scans}: read separated by semicolons",
        f"{label_map}: read separated by semicolons",
    )
    assert len(loaded(scans).subjects) == len(before)


def test_structures_that_nobody_can_learn(scans: Path) -> None:
    write_table(scans.parent / "map.csv", [*MAP, (9, "nose", ""), (10, "ear", ""), (11, "eye", "")])
    for name in "bc":
        file = scans.parent / f"{name}_labels.nii.gz"
        ids = np.asarray(nibabel.load(file).dataobj).copy()
        ids[10, 12, 3] = 10
        write(file, ids, AFFINE)
    assert said(scans) == [
        "no scan's slices hold nose, eye",
        "no scan to train on holds ear",
    ]
