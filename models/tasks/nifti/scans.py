"""Which scans there are: a table or a folder names each subject's site, image and labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from models.tasks.nifti.refusals import refusal
from models.tasks.nifti.tables import Columns, Row, table

# Ages are for the user's own records; nothing here depends on them.
_COLUMNS = Columns(("site", "subject", "image", "labels"), optional=("age", "split"))
_LAYOUT = "a CSV file, or a folder SITE/SUBJECT with an image.nii.gz and a labels.nii.gz each"


@dataclass(frozen=True)
class Scan:
    """One subject's files, not yet opened; `split` is None where it is still to be drawn."""

    site: str
    subject: str
    image: Path
    labels: Path
    split: Literal["train", "test"] | None


def scans_at(path: Path) -> tuple[Scan, ...]:
    """The scans that a CSV file lists or a folder holds, by site and subject.

    Their order in the file decides nothing. Raises DataError if the file or folder does not say
    what a scan needs, or names a subject or an image twice.
    """
    if not path.exists():
        raise refusal(f"{path}: no such file or folder", _LAYOUT)
    scans = _in_folder(path) if path.is_dir() else _in_table(path)
    scans.sort(key=lambda scan: (scan.site, scan.subject))
    _check_once(path, scans)
    return tuple(scans)


def _in_table(file: Path) -> list[Scan]:
    return [
        Scan(
            row.cells["site"],
            row.cells["subject"],
            file.parent / row.cells["image"],
            file.parent / row.cells["labels"],
            _split(row),
        )
        for row in table(file, _COLUMNS, ("task", "scans"))
    ]


def _split(row: Row) -> Literal["train", "test"] | None:
    match row.cells.get("split"):
        case None:
            return None
        case "train":
            return "train"
        case "test":
            return "test"
        case other:
            raise refusal(f"{row.place}: split is {other!r}", "train, test")


def _in_folder(folder: Path) -> list[Scan]:
    scans = [
        Scan(site.name, subject.name, _volume(subject, "image"), _volume(subject, "labels"), None)
        for site in _folders(folder)
        for subject in _folders(site)
    ]
    if not scans:
        raise refusal(f"{folder}: holds no scans", _LAYOUT)
    return scans


def _folders(folder: Path) -> list[Path]:
    return [one for one in folder.iterdir() if one.is_dir() and not one.name.startswith(".")]


def _volume(subject: Path, name: str) -> Path:
    """The one file called `name`, compressed or not."""
    found = [file for end in (".nii", ".nii.gz") if (file := subject / f"{name}{end}").exists()]
    if len(found) != 1:
        what = "both" if found else "neither"
        raise refusal(f"{subject}: {what} of {name}.nii and {name}.nii.gz", "one of them")
    return found[0]


def _check_once(path: Path, scans: list[Scan]) -> None:
    """Nobody may be trained on and tested on, so each subject and each image is there once."""
    subjects: dict[str, Scan] = {}
    images: dict[Path, Scan] = {}
    for scan in scans:
        if scan.image == scan.labels:
            raise refusal(f"{scan.image}: is an image and its own labels", "two files")
        other = subjects.setdefault(scan.subject, scan)
        if other.site != scan.site:
            what = f"{path}: subject {scan.subject!r} is in the sites {other.site} and {scan.site}"
            raise refusal(what, "each subject in one site")
        if other is not scan:
            raise refusal(f"{path}: subject {scan.subject!r} is there twice", "each subject once")
        other = images.setdefault(scan.image, scan)
        if other is not scan:
            what = f"{scan.image}: belongs to the subjects {other.subject!r} and {scan.subject!r}"
            raise refusal(what, "an image of its own for each subject")
