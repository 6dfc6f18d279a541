"""Which client a site is, and whom it holds out: whole subjects, never single slices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from models.generators import generator
from models.tasks.nifti.refusals import refusal
from models.tasks.nifti.scans import Scan


def site_names(scans: Sequence[Scan], clients: int) -> tuple[str, ...]:
    """The sites sorted by name; client 0 is the first of them.

    Raises DataError unless there is one for each of `clients`.
    """
    names = _names(scans)
    if len(names) != clients:
        what = f"{clients} clients for {len(names)} sites ({', '.join(names)})"
        raise refusal(what, f"{len(names)}, a client for each site", ("clients", "count"))
    return names


def split(
    path: Path, scans: Sequence[Scan], test_fraction: float, split_seed: int
) -> tuple[Scan, ...]:
    """The scans, each with a split: the table's own, else drawn for each site by itself.

    A site of two or more gets a subject to train on and one to test on at least. Raises DataError,
    naming `path`, if a site has none to train on, or if nobody at all is held out.
    """
    done: list[Scan] = []
    for name in _names(scans):
        members = [scan for scan in scans if scan.site == name]
        if members[0].split is None:
            members = _drawn(name, members, test_fraction, split_seed)
        if all(scan.split == "test" for scan in members):
            what = f"{path}: site {name} has no subject to train on"
            raise refusal(what, "one or more in each site")
        done += members
    if all(scan.split == "train" for scan in done):
        raise refusal(f"{path}: no subject is held out", "one or more to test on, in any site")
    return tuple(done)


def _names(scans: Sequence[Scan]) -> tuple[str, ...]:
    return tuple(sorted(dict.fromkeys(scan.site for scan in scans)))


def _drawn(site: str, scans: list[Scan], test_fraction: float, split_seed: int) -> list[Scan]:
    """Depends on the site's own name and subjects only: another site changes nothing here."""
    draws = generator(split_seed, "nifti_test_split", *site.encode())
    held_out = min(len(scans) - 1, max(1, round(test_fraction * len(scans))))
    places = draws.permutation(len(scans))[:held_out].tolist()
    return [
        replace(scan, split="test" if number in places else "train")
        for number, scan in enumerate(scans)
    ]
