"""A name by content: what changes it, what does not, and what is refused."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.models.tasks.nifti.phantom import (
    MAP,
    loaded,
    refused,
    settings,
    write_sites,
    write_table,
)

HASH = ("task", "files_sha256")


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    return write_sites(tmp_path / "here", {"alpha": 3, "beta": 1})


def name_of(scans: Path) -> str:
    name = settings(scans).pinned().files_sha256
    assert name is not None
    return name


def test_the_name_is_of_the_content_and_not_of_the_place(scans: Path, tmp_path: Path) -> None:
    shutil.copytree(scans.parent, tmp_path / "there")
    assert name_of(tmp_path / "there" / "scans") == name_of(scans)


def other_image(scans: Path) -> None:
    file = scans / "alpha" / "alpha-0" / "image.nii.gz"
    voxels = bytearray(gzip.decompress(file.read_bytes()))
    voxels[-1] ^= 1
    file.write_bytes(gzip.compress(bytes(voxels)))


def labels_exchanged(scans: Path) -> None:
    one, other = (scans / "alpha" / f"alpha-{number}" for number in (0, 1))
    (one / "labels.nii.gz").write_bytes((other / "image.nii.gz").read_bytes())


def other_site(scans: Path) -> None:
    (scans / "alpha" / "alpha-0").rename(scans / "beta" / "alpha-0")


def one_less(scans: Path) -> None:
    shutil.rmtree(scans / "alpha" / "alpha-1")


def other_map(scans: Path) -> None:
    write_table(scans.parent / "map.csv", [*MAP, (9, "nose", "")])


@pytest.mark.parametrize("change", [other_image, labels_exchanged, other_site, one_less, other_map])
def test_whatever_changes_is_another_name(change: Callable[[Path], None], scans: Path) -> None:
    before = name_of(scans)
    change(scans)
    assert name_of(scans) != before
    what = f"{scans}: the scans, their list or the label map have changed since"
    allowed = "the files as they were, or a scenario without files_sha256"
    refused(scans, f"{what}; allowed: {allowed}", HASH, clients=2, files_sha256=before)


def test_unchanged_scans_are_taken_and_keep_their_name(scans: Path) -> None:
    assert len(loaded(scans, 2, files_sha256=name_of(scans)).subjects) == 4
    already = settings(scans, files_sha256="0" * 64)
    assert already.pinned() == already
