"""Which scans there are, as a table or a folder lists them, before any of them is opened.

Whose they are, which client a site is, whom it holds out, and what names all files by their content
so that changed ones are not taken for the same.
"""

import hashlib
import os
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from models.bits import generator
from models.tasks.cohort import SPLITS, Split, split_named
from models.tasks.nifti.tables import LABEL_MAP, SCANS, Columns, Row, table
from sim.record.errors import Refusal, shown
from sim.record.settings.files import file_digest

# Ages are for the user's own records; nothing here depends on them.
_COLUMNS = Columns(("site", "subject", "image", "labels"), optional=("age", "split"))
_LAYOUT = "a CSV file, or a folder SITE/SUBJECT with an image.nii.gz and a labels.nii.gz each"
_ENDINGS = (".nii", ".nii.gz", ".mgh", ".mgz")


@dataclass(frozen=True)
class Scan:
    """One subject's files, not yet opened.

    `split` is None where it is still to be drawn. `place`: the line of the table that lists it.
    """

    site: str
    subject: str
    image: Path
    labels: Path
    split: Split | None
    place: str = field(default="", compare=False)


def scans_at(path: Path) -> tuple[Scan, ...]:
    """The scans that a CSV file lists or a folder holds, by site and subject.

    Their order in the file decides nothing. Raises Refusal if the file or folder does not say
    what a scan needs, or names a subject or an image twice.
    """
    if not os.path.exists(path):
        raise Refusal(f"{path}: no such file or folder", _LAYOUT, SCANS)
    scans = _in_folder(path) if os.path.isdir(path) else _in_table(path)
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
            row.place,
        )
        for row in table(file, _COLUMNS, SCANS)
    ]


def _split(row: Row) -> Split | None:
    word = row.cells.get("split")
    if word is None:
        return None
    if (split := split_named(word)) is None:
        raise Refusal(f"{row.place}: split is {shown(word)}", ", ".join(SPLITS), SCANS)
    return split


def _in_folder(folder: Path) -> list[Scan]:
    scans = [
        Scan(site.name, subject.name, _volume(subject, "image"), _volume(subject, "labels"), None)
        for site in _folders(folder)
        for subject in _folders(site)
    ]
    if not scans:
        raise Refusal(f"{folder}: holds no scans", _LAYOUT, SCANS)
    return scans


def _folders(folder: Path) -> list[Path]:
    try:
        inside = list(folder.iterdir())
    except OSError as error:
        raise Refusal(f"{folder}: can't be read ({error.strerror})", _LAYOUT, SCANS) from None
    return [one for one in inside if os.path.isdir(one) and not one.name.startswith(".")]


def _volume(subject: Path, name: str) -> Path:
    """The one file called `name`, in whatever format."""
    files = [subject / f"{name}{end}" for end in _ENDINGS]
    # Path.exists raises an error for what nobody may look at.
    found = [file for file in files if os.path.exists(file)]
    if len(found) != 1:
        what = " and ".join(file.name for file in found) or f"no {name}{_ENDINGS[1]}"
        allowed = f"one of {', '.join(name + end for end in _ENDINGS)}"
        raise Refusal(f"{subject}: {what}", allowed, SCANS)
    return found[0]


def _check_once(path: Path, scans: list[Scan]) -> None:
    """Nobody may be trained on and tested on, so each subject and each image is there once."""
    subjects: dict[str, Scan] = {}
    images: dict[Hashable, Scan] = {}
    for scan in scans:
        if _itself(scan.image) == _itself(scan.labels):
            raise Refusal(f"{scan.image}: is an image and its own labels", "two files", SCANS)
        other = subjects.setdefault(scan.subject, scan)
        if other.site != scan.site:
            what = f"{path}: subject {scan.subject!r} is in the sites {other.site} and {scan.site}"
            raise Refusal(what, "each subject in one site", SCANS)
        if other is not scan:
            what = f"{path}: subject {scan.subject!r} is there twice"
            raise Refusal(what, "each subject once", SCANS)
        other = images.setdefault(_itself(scan.image), scan)
        if other is not scan:
            what = f"{scan.image}: belongs to the subjects {other.subject!r} and {scan.subject!r}"
            raise Refusal(what, "an image of its own for each subject", SCANS)


def _itself(file: Path) -> Hashable:
    """What is one for all paths and links to one file."""
    try:
        found = file.stat()
    except (OSError, ValueError):  # Whoever opens it will say why.
        return file
    return found.st_dev, found.st_ino


def site_names(scans: Sequence[Scan], clients: int) -> tuple[str, ...]:
    """The sites sorted by name; client 0 is the first of them.

    Raises Refusal unless there is one for each of `clients`.
    """
    names = _names(scans)
    if len(names) != clients:
        what = f"{clients} clients for {len(names)} sites ({', '.join(names)})"
        raise Refusal(what, f"{len(names)}, a client for each site", ("clients", "count"))
    return names


def split(
    path: Path,
    scans: Sequence[Scan],
    test_fraction: float,
    validation_fraction: float,
    data_seed: int,
) -> tuple[Scan, ...]:
    """The scans, each with a split: the table's own, else drawn for each site by itself.

    Subjects to validate on are drawn from those to train on if the table names none. A site of two
    or more gets a subject to train on and one to test on at least, one of three or more one to
    validate on. Raises Refusal, naming `path`, if a site has none to train on, or if there is
    nobody at all to test or to validate on.
    """
    done: list[Scan] = []
    validating = any(scan.split == "validation" for scan in scans)
    for name in _names(scans):
        members = [scan for scan in scans if scan.site == name]
        if members[0].split is None:
            members = [replace(scan, split="training") for scan in members]
            members = _drawn(name, members, "test", test_fraction, data_seed)
        if not validating:
            members = _drawn(name, members, "validation", validation_fraction, data_seed)
        if not any(scan.split == "training" for scan in members):
            what = f"{path}: site {name} has no subject to train on"
            raise Refusal(what, "one or more in each site", SCANS)
        done += members
    splits = {scan.split for scan in done}
    if "test" not in splits:
        what = f"{path}: no subject is held out"
        raise Refusal(what, "one or more to test on, in any site", SCANS)
    if "validation" not in splits:
        what = f"{path}: no subject is left to validate on"
        raise Refusal(what, "two or more that are not tested on, in any site", SCANS)
    return tuple(done)


def check_there(scans: Sequence[Scan]) -> None:
    """Raises Refusal, with the table's line, if a file that it lists isn't there."""
    for scan in scans:
        for file in (scan.image, scan.labels):
            try:
                file.stat()
            except (FileNotFoundError, NotADirectoryError):
                place = f"{scan.place}: " if scan.place else ""
                raise Refusal(f"{place}no such file {file}", "a NIfTI or MGH file", SCANS) from None
            except (OSError, ValueError):
                continue  # Who opens it says what is wrong.


def _names(scans: Sequence[Scan]) -> tuple[str, ...]:
    return tuple(sorted(dict.fromkeys(scan.site for scan in scans)))


def _drawn(
    site: str, scans: list[Scan], wanted: Split, fraction: float, data_seed: int
) -> list[Scan]:
    """The scans, that share of them `wanted` instead of trained on: one or more, but not all.

    Depends on the site's own name and subjects only: another site changes nothing here.
    """
    draws = generator(data_seed, f"nifti_{wanted}_split", *site.encode())
    trained_on = [scan for scan in scans if scan.split == "training"]
    count = max(0, min(len(trained_on) - 1, max(1, round(fraction * len(scans)))))
    chosen = [trained_on[number] for number in draws.permutation(len(trained_on))[:count].tolist()]
    return [replace(scan, split=wanted) if scan in chosen else scan for scan in scans]


def content(scans: Sequence[Scan], label_map: Path) -> str:
    """The SHA-256 of who is listed, with site and split, and of every file; not of any path.

    Raises Refusal if a file can't be read.
    """
    check_there(scans)
    digest = hashlib.sha256(file_digest(label_map, "a CSV file", LABEL_MAP))
    for scan in scans:
        digest.update(repr((scan.site, scan.subject, scan.split)).encode())
        for file in (scan.image, scan.labels):
            digest.update(file_digest(file, "a NIfTI file", SCANS))
    return digest.hexdigest()
