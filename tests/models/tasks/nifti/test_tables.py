"""Tables: each mistake in what lists the scans or names the labels is told in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.tasks.nifti.tables import SCANS, Columns, assumed, table
from sim.record.delimited import TEXT
from tests.models.tasks.nifti.phantom import (
    MAP,
    head,
    loaded,
    refused,
    write_sites,
    write_subject,
    write_table,
)

LABEL_MAP = ("task", "label_map")
HEADER = ("site", "subject", "image", "labels")
COLUMNS = "the columns site, subject, image, labels, age, split, separated by commas"
LAYOUT = "a CSV file, or a folder SITE/SUBJECT with an image.nii.gz and a labels.nii.gz each"


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    return write_sites(tmp_path, {"site": 3})


@pytest.mark.parametrize(
    ("rows", "what", "allowed"),
    [
        ([], ": no column 'site'", COLUMNS),
        ([HEADER], ": no rows", "one row or more below the columns' names"),
        ([HEADER[:3]], ": no column 'labels'", COLUMNS),
        ([(*HEADER, "spilt")], ": unknown column 'spilt'", COLUMNS),
        ([(*HEADER, "site")], ": two columns 'site'", "each column once"),
        (
            [HEADER, ("a", "1", "i.nii")],
            ", line 2: 3 cells under 4 columns",
            "a cell for each column",
        ),
        ([HEADER, ("#NV", "1", "i", "l")], ", line 2: '#NV' is a spreadsheet's error", "values"),
        ([HEADER, (), ("a", " ", "i.nii", "l.nii")], ", line 3: no subject", "a value for subject"),
        (
            [(*HEADER, "split"), ("a", "1", "i.nii", "l.nii", "")],
            ", line 2: split is ''",
            "train, validation, test",
        ),
        (
            [HEADER, ("a", "1", "i.nii", "l.nii"), ("a", "1", "j.nii", "l.nii")],
            ": subject '1' is there twice",
            "each subject once",
        ),
        (
            [HEADER, ("b", "1", "i.nii", "l.nii"), ("a", "1", "j.nii", "l.nii")],
            ": subject '1' is in the sites a and b",
            "each subject in one site",
        ),
        (
            [(*HEADER, "split"), ("a", "1", "i.nii", "l.nii", "test")],
            ": site a has no subject to train on",
            "one or more in each site",
        ),
        (
            [(*HEADER, "split"), ("a", "1", "i.nii", "l.nii", "train")],
            ": no subject is held out",
            "one or more to test on, in any site",
        ),
    ],
)
def test_a_table_of_scans_that_can_not_be_used(
    tmp_path: Path, rows: list[tuple[str, ...]], what: str, allowed: str
) -> None:
    write_table(tmp_path / "map.csv", MAP)
    write_table(tmp_path / "scans.csv", rows)
    refused(tmp_path / "scans.csv", f"{tmp_path / 'scans.csv'}{what}; allowed: {allowed}")


PLAIN = "site,subject,image,labels\nb,1,i.nii,l.nii\n"


@pytest.mark.parametrize(
    ("text", "read"),
    [
        (PLAIN, None),
        ("SITE,Subject,image,labels\r\n b , 1,i.nii,l.nii\r\n\r\n", None),
        (PLAIN.replace(",", ";"), "separated by semicolons"),
        (PLAIN.replace(",", "\t"), "separated by tabs"),
        ("site,subject,image,labels,\nb,1,i.nii,l.nii,\n", None),
        ("site,subject,image,labels\nb,1,i.nii,l.nii,\n", None),
        ("site,subject,image,labels,,,\nb,1,i.nii,l.nii,,,\n", None),
        ("site;subject;image;labels\nb;1;i.nii;l.nii;;\n", "separated by semicolons"),
        (
            ',site,subject,image,labels\n0,b,1,i.nii,"l.nii"\n',
            "without its first column, which has no name",
        ),
        (f"# scans\n{PLAIN}# and no more\n", "without the line before the columns' names"),
    ],
)
def test_a_table_as_others_write_it(tmp_path: Path, text: str, read: str | None) -> None:
    file = tmp_path / "scans.csv"
    file.write_text(text, newline="")
    (row,) = table(file, Columns(HEADER), SCANS)
    assert {name: row.cells[name] for name in HEADER} == {
        **{"site": "b", "subject": "1"},
        **{"image": "i.nii", "labels": "l.nii"},
    }
    assert row.place == f"{file}, line {3 if text.startswith('#') else 2}"
    assert assumed(file, SCANS) == ([f"{file}: read {read}"] if read else [])


def test_a_cell_below_no_name_is_refused(tmp_path: Path) -> None:
    write_table(tmp_path / "map.csv", MAP)
    write_table(tmp_path / "scans.csv", [(*HEADER, ""), ("a", "1", "i.nii", "l.nii", "x")])
    what = f"{tmp_path}/scans.csv, line 2: 5 cells under 4 columns"
    refused(tmp_path / "scans.csv", f"{what}; allowed: a cell for each column")


def test_an_image_that_is_there_twice(tmp_path: Path) -> None:
    write_table(tmp_path / "map.csv", MAP)
    table, image = tmp_path / "scans.csv", tmp_path / "i.nii"
    write_table(table, [HEADER, ("a", "1", "i.nii", "l.nii"), ("a", "2", "i.nii", "m.nii")])
    what = f"{image}: belongs to the subjects '1' and '2'"
    refused(table, f"{what}; allowed: an image of its own for each subject")
    write_table(table, [HEADER, ("a", "1", "i.nii", "i.nii")])
    refused(table, f"{image}: is an image and its own labels; allowed: two files")


def test_a_table_that_is_none(tmp_path: Path) -> None:
    write_table(tmp_path / "map.csv", MAP)
    table = tmp_path / "scans.csv"
    refused(table, f"{table}: no such file or folder; allowed: {LAYOUT}")
    table.write_bytes(b"\xff\xfe\x00")
    refused(table, f"{table}: is no text in UTF-8; allowed: {TEXT}")
    table.write_text('site,subject,image,labels\n"a', encoding="utf-8")
    refused(table, f"{table}: is no CSV file (unexpected end of data); allowed: a CSV file")


def test_a_folder_that_can_not_be_used(scans: Path, tmp_path: Path) -> None:
    (tmp_path / "empty" / ".hidden" / "sub").mkdir(parents=True)
    refused(
        tmp_path / "empty",
        f"{tmp_path}/empty: holds no scans; allowed: {LAYOUT}",
    )
    subject = scans / "site" / "site-0"
    (subject / "image.nii").write_bytes(b"")
    allowed = "one of image.nii, image.nii.gz, image.mgh, image.mgz"
    refused(scans, f"{subject}: image.nii and image.nii.gz; allowed: {allowed}")
    (subject / "image.nii").unlink()
    (subject / "labels.nii.gz").unlink()
    allowed = "one of labels.nii, labels.nii.gz, labels.mgh, labels.mgz"
    refused(scans, f"{subject}: no labels.nii.gz; allowed: {allowed}")


def test_one_subject_of_one_site_leaves_nobody_to_test_on(tmp_path: Path) -> None:
    scans = write_sites(tmp_path, {"site": 1})
    what = f"{scans}: no subject is held out; allowed: one or more to test on, in any site"
    refused(scans, what)


def test_another_number_of_sites_than_clients(scans: Path) -> None:
    write_subject(scans, "elsewhere", "other")
    what = "3 clients for 2 sites (elsewhere, site); allowed: 2, a client for each site"
    refused(scans, what, ("clients", "count"), clients=3)


@pytest.mark.parametrize(
    ("rows", "what", "allowed"),
    [
        (
            [("id", "name")],
            ": no column 'group'",
            "the columns id, name, group, separated by commas",
        ),
        ([MAP[0]], ": no rows", "one row or more below the columns' names"),
        ([*MAP, (3, "again", "")], ", line 5: id 3 is there twice", "each id once"),
        (
            [*MAP, ("x", "letter", "")],
            ", line 5: 'x' is no label id",
            "whole numbers up to 4294967295",
        ),
        (
            [*MAP, (-4, "below", "")],
            ", line 5: '-4' is no label id",
            "whole numbers up to 4294967295",
        ),
        (
            [*MAP, (2**32, "beyond", "")],
            ", line 5: '4294967296' is no label id",
            "whole numbers up to 4294967295",
        ),
        (
            [*MAP, (0, "Unknown", "")],
            ", line 5: id 0 is in the group 'Unknown'",
            "background, or no row for id 0",
        ),
        ([*MAP, (4, "", "")], ", line 5: no name", "a value for name"),
        ([MAP[0], (3, "background", "")], ": 0 structures", "1 to 255 groups"),
        (
            [MAP[0], (3, "ball", "a@1")],
            ", line 2: 'a@1' is no name for a structure",
            "names without @ and #, other than own_site and validation",
        ),
        (
            [MAP[0], (3, "own_site", "")],
            ", line 2: 'own_site' is no name for a structure",
            "names without @ and #, other than own_site and validation",
        ),
        (
            [MAP[0], (3, "validation", "")],
            ", line 2: 'validation' is no name for a structure",
            "names without @ and #, other than own_site and validation",
        ),
        (
            [MAP[0], *((n, f"s{n}", "") for n in range(1, 257))],
            ": 256 structures",
            "1 to 255 groups",
        ),
    ],
)
def test_a_label_map_that_can_not_be_used(
    tmp_path: Path, rows: list[tuple[object, ...]], what: str, allowed: str
) -> None:
    write_table(tmp_path / "map.csv", rows)
    message = f"{tmp_path / 'map.csv'}{what}; allowed: {allowed}"
    refused(tmp_path / "scans", message, LABEL_MAP)


def test_a_label_map_that_is_missing(tmp_path: Path) -> None:
    what = f"{tmp_path / 'map.csv'}: no such file; allowed: a CSV file"
    refused(tmp_path / "scans", what, LABEL_MAP)


def test_an_ignored_group_is_background(scans: Path, tmp_path: Path) -> None:
    write_table(
        tmp_path / "map.csv",
        [
            MAP[0],
            (0, "Unknown", "background"),
            (3, "ball", "background"),
            (8, "right", ""),
            (7, "left", ""),
        ],
    )
    cohort = loaded(scans)
    assert cohort.structures == ("right", "left")
    counts = np.bincount(cohort.subjects[0].labels.ravel())
    assert counts[1:].tolist() == [(head()[1] == 8).sum(), (head()[1] == 7).sum()]
