"""Sites: which client each is, and that whole subjects are held out."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.tasks.nifti.scans import Scan, scans_at, site_names, split
from tests.models.tasks.nifti.phantom import head, loaded, write_sites, write_table

SIZES = {"beta": 4, "alpha": 5, "gamma": 1}


def scans_of(sizes: dict[str, int]) -> list[Scan]:
    """Scans of which nobody opens the files."""
    return [
        Scan(site, f"{site}-{number}", Path(f"{site}-{number}.nii"), Path("labels.nii"), None)
        for site, size in sizes.items()
        for number in range(size)
    ]


def held_out(sizes: dict[str, int], fraction: float = 0.25, seed: int = 0) -> list[str]:
    scans = split(Path("scans"), scans_of(sizes), fraction, seed)
    assert all(scan.split in ("train", "test") for scan in scans)
    assert sorted(scan.subject for scan in scans) == sorted(one.subject for one in scans_of(sizes))
    return [scan.subject for scan in scans if scan.split == "test"]


@pytest.mark.parametrize(
    ("fraction", "alpha", "beta"), [(0.01, 1, 1), (0.25, 1, 1), (0.5, 2, 2), (0.99, 4, 3)]
)
def test_each_site_holds_out_its_share_and_keeps_one(
    fraction: float, alpha: int, beta: int
) -> None:
    names = [name.split("-")[0] for name in held_out(SIZES, fraction)]
    assert [names.count(site) for site in ("alpha", "beta", "gamma")] == [alpha, beta, 0]


def test_only_its_own_seed_and_subjects_decide_a_sites_split() -> None:
    alone = held_out({"beta": 4}, 0.5)
    assert alone == [name for name in held_out(SIZES, 0.5) if name.startswith("beta")]
    assert held_out(SIZES, seed=3) == held_out(SIZES, seed=3)
    assert len({tuple(held_out(SIZES, seed=seed)) for seed in range(8)}) > 1


def test_sites_are_numbered_by_their_names() -> None:
    assert site_names(scans_of(SIZES), 3) == ("alpha", "beta", "gamma")


def test_a_folder_becomes_subjects_with_all_their_slices(tmp_path: Path) -> None:
    cohort = loaded(write_sites(tmp_path, {"beta": 2, "alpha": 3}), clients=2)
    found = [(subject.site, subject.name) for subject in cohort.subjects]
    assert found == [(0, "alpha-0"), (0, "alpha-1"), (0, "alpha-2"), (1, "beta-0"), (1, "beta-1")]
    assert [subject.name for subject in cohort.subjects if subject.held_out] == held_out(
        {"alpha": 3, "beta": 2}
    )
    slices = int(head()[1].any(axis=(0, 2)).sum())
    assert all(len(subject.labels) == slices for subject in cohort.subjects)


def test_a_table_says_who_is_held_out_whatever_its_order(tmp_path: Path) -> None:
    write_sites(tmp_path, {"alpha": 2, "beta": 2})
    splits = {"beta-0": "train", "alpha-1": "train", "beta-1": "train", "alpha-0": "test"}
    rows = [("site", "subject", "image", "labels", "age", "split")]
    for name, part in splits.items():
        site = name.split("-")[0]
        folder = f"scans/{site}/{name}"
        files = f"{folder}/image.nii.gz", str(tmp_path / folder / "labels.nii.gz")
        rows.append((site, name, *files, "", part))
    write_table(tmp_path / "scans.csv", rows)
    subjects = loaded(tmp_path / "scans.csv", clients=2).subjects
    assert [subject.name for subject in subjects] == ["alpha-0", "alpha-1", "beta-0", "beta-1"]
    assert [subject.held_out for subject in subjects] == [True, False, False, False]


def test_a_table_without_splits_leaves_them_to_be_drawn(tmp_path: Path) -> None:
    rows = [("site", "subject", "image", "labels"), ("b", "2", "i", "l"), ("a", "1", "j", "m")]
    write_table(tmp_path / "scans.csv", rows)
    assert scans_at(tmp_path / "scans.csv") == (
        Scan("a", "1", tmp_path / "j", tmp_path / "m", None),
        Scan("b", "2", tmp_path / "i", tmp_path / "l", None),
    )
