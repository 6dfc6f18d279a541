"""Sites: which client each is, and that whole subjects are held out."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.tasks.nifti.scans import Scan, scans_at, site_names, split
from sim.record.errors import Refusal
from tests.models.tasks.nifti.phantom import head, loaded, write_sites, write_table

SIZES = {"beta": 4, "alpha": 5, "gamma": 1}


def scans_of(sizes: dict[str, int]) -> list[Scan]:
    """Scans of which nobody opens the files."""
    return [
        Scan(site, f"{site}-{number}", Path(f"{site}-{number}.nii"), Path("labels.nii"), None)
        for site, size in sizes.items()
        for number in range(size)
    ]


def held_out(
    sizes: dict[str, int], test: float = 0.25, validation: float = 0.1, seed: int = 0
) -> tuple[list[str], list[str]]:
    """Who is tested on, and who is validated on."""
    scans = split(Path("scans"), scans_of(sizes), test, validation, seed)
    assert sorted(scan.subject for scan in scans) == sorted(one.subject for one in scans_of(sizes))
    by_split = {
        wanted: [scan.subject for scan in scans if scan.split == wanted]
        for wanted in ("training", "test", "validation")
    }
    assert sum(map(len, by_split.values())) == len(scans)
    return by_split["test"], by_split["validation"]


def counted(names: list[str]) -> list[int]:
    sites = [name.split("-")[0] for name in names]
    return [sites.count(site) for site in ("alpha", "beta", "gamma")]


@pytest.mark.parametrize(
    ("fraction", "tested", "validated"),
    [
        (0.01, [1, 1, 0], [1, 1, 0]),
        (0.25, [1, 1, 0], [1, 1, 0]),
        (0.5, [2, 2, 0], [2, 1, 0]),
        (0.6, [3, 2, 0], [1, 1, 0]),
        (0.75, [4, 3, 0], [0, 0, 0]),
    ],
)
def test_each_site_holds_out_its_shares_and_keeps_one(
    fraction: float, tested: list[int], validated: list[int]
) -> None:
    if not any(validated):
        with pytest.raises(Refusal, match="scans: no subject is left to validate on; allowed: two"):
            held_out(SIZES, fraction, fraction)
    else:
        assert tuple(map(counted, held_out(SIZES, fraction, fraction))) == (tested, validated)


def test_only_its_own_seed_and_subjects_decide_a_sites_split() -> None:
    alone = held_out({"beta": 4}, 0.5)
    for part, names in zip(alone, held_out(SIZES, 0.5), strict=True):
        assert part == [name for name in names if name.startswith("beta")]
    assert held_out(SIZES, seed=3) == held_out(SIZES, seed=3)
    for number in range(2):
        assert len({tuple(held_out(SIZES, seed=seed)[number]) for seed in range(8)}) > 1


def test_more_to_validate_on_leave_who_is_tested_on() -> None:
    (tested, few), (again, many) = (held_out(SIZES, 0.25, share) for share in (0.1, 0.5))
    assert tested == again and set(few) < set(many)


def test_sites_are_numbered_by_their_names() -> None:
    assert site_names(scans_of(SIZES), 3) == ("alpha", "beta", "gamma")


def test_a_folder_becomes_subjects_with_all_their_slices(tmp_path: Path) -> None:
    cohort = loaded(write_sites(tmp_path, {"beta": 2, "alpha": 3}), clients=2)
    found = [(subject.site, subject.name) for subject in cohort.subjects]
    assert found == [(0, "alpha-0"), (0, "alpha-1"), (0, "alpha-2"), (1, "beta-0"), (1, "beta-1")]
    assert cohort.site_names == ("alpha", "beta")
    tested, validated = (
        [subject.name for subject in cohort.subjects if subject.split == wanted]
        for wanted in ("test", "validation")
    )
    assert (tested, validated) == held_out({"alpha": 3, "beta": 2})
    assert (counted(tested), counted(validated)) == ([1, 1, 0], [1, 0, 0])
    slices = int(head()[1].any(axis=(0, 2)).sum())
    assert all(len(subject.labels) == slices for subject in cohort.subjects)


@pytest.mark.parametrize("named", ["train", "validation", "Training", "val"])
def test_a_table_says_who_is_held_out_whatever_its_order(tmp_path: Path, named: str) -> None:
    write_sites(tmp_path, {"alpha": 2, "beta": 2})
    splits = {"beta-0": "train", "alpha-1": "train", "beta-1": named, "alpha-0": "test"}
    rows = [("site", "subject", "image", "labels", "age", "split")]
    for name, part in splits.items():
        site = name.split("-")[0]
        folder = f"scans/{site}/{name}"
        files = f"{folder}/image.nii.gz", str(tmp_path / folder / "labels.nii.gz")
        rows.append((site, name, *files, "", part))
    write_table(tmp_path / "scans.csv", rows)
    subjects = loaded(tmp_path / "scans.csv", clients=2).subjects
    assert [subject.name for subject in subjects] == ["alpha-0", "alpha-1", "beta-0", "beta-1"]
    found = [subject.split for subject in subjects]
    if named.startswith("val"):
        assert found == ["test", "training", "training", "validation"]
    else:  # One of beta's is drawn; alpha has none to spare.
        assert found[:2] == ["test", "training"] and sorted(found[2:]) == ["training", "validation"]


def test_a_table_without_splits_leaves_them_to_be_drawn(tmp_path: Path) -> None:
    rows = [("site", "subject", "image", "labels"), ("b", "2", "i", "l"), ("a", "1", "j", "m")]
    write_table(tmp_path / "scans.csv", rows)
    assert scans_at(tmp_path / "scans.csv") == (
        Scan("a", "1", tmp_path / "j", tmp_path / "m", None),
        Scan("b", "2", tmp_path / "i", tmp_path / "l", None),
    )
