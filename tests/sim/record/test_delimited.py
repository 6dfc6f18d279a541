"""How files write their rows: what is found out, what is said of it, and what can't be known."""

from pathlib import Path

import pytest

from sim.record.delimited import TEXT, Dialect, dialect, opened
from sim.record.errors import Refusal

SETTING = ("task", "path")


def found(folder: Path, content: str | bytes) -> tuple[Dialect, str]:
    """The dialect and the first line of a file that holds this."""
    file = folder / "rows.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    how = dialect(file, "a CSV file", SETTING)
    with opened(file, how) as stream:
        return how, stream.readline()


@pytest.mark.parametrize(
    ("content", "separator", "skipped", "first"),
    [
        ("age,ill\n1,no\n", ",", 0, "age,ill\n"),
        ("age;ill\r\n1,5;no\r\n", ";", 0, "age;ill\r\n"),
        ("age\till\n1\tno\n", "\t", 0, "age\till\n"),
        ("age|ill\n1|no\n", "|", 0, "age|ill\n"),
        ("age;ill\r1;no\r", ";", 0, "age;ill\r"),
        ("# of 2024; cleaned\n\n#twice\nage,ill\n1,no\n", ",", 3, "age,ill\n"),
        ("sep=;\nweight, kg;ill\n70,5;no\n", ";", 1, "weight, kg;ill\n"),
        ("SEP=\t\nage\till\n", "\t", 1, "age\till\n"),
        ('"a;b",ill\n"1;2",no\n', ",", 0, '"a;b",ill\n'),
        ('"a\n,b";ill\n1;no\n', ";", 0, '"a\n'),
        # The most cells, where all rows have as many.
        ("weight, kg;ill;age\n70,5;no;3\n", ";", 0, "weight, kg;ill;age\n"),
        ("a;b,c\n1,2\n1;2;3\n", ",", 0, "a;b,c\n"),
        # Commas that all stand in numbers, where there are semicolons.
        ("0,5;1,25\n1,25;0,5\n", ";", 0, "0,5;1,25\n"),
        ("ill\nno\n", ",", 0, "ill\n"),
        ("", ",", 0, ""),
    ],
)
def test_what_a_file_s_beginning_tells(
    tmp_path: Path, content: str, separator: str, skipped: int, first: str
) -> None:
    assert found(tmp_path, content) == (Dialect("utf-8-sig", separator, skipped), first)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    mark = "\ufeff" if encoding == "utf-16-be" else ""
    how, first = found(tmp_path, f"{mark}# groß\ngröße,ill\n".encode(encoding))
    assert first == "größe,ill\n"
    assert how.encoding == ("utf-16" if "16" in encoding else "utf-8-sig")


def test_only_what_is_not_plain_is_said() -> None:
    assert Dialect().assumed == []
    assert Dialect("utf-16", ";", 2).assumed == [
        "separated by semicolons",
        "in UTF-16",
        "without the 2 lines before the columns' names",
    ]
    assert Dialect(skipped=1).assumed == ["without the line before the columns' names"]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("größe,ill\n".encode("latin-1"), f"is no text in UTF-8; allowed: {TEXT}"),
        ("age,ill\n".encode("utf-16")[:-1], f"is no text in UTF-8; allowed: {TEXT}"),
        (
            "weight, kg;ill\n70,5;no\n",
            "could be separated by commas or semicolons; allowed: quotes where cells hold one, or "
            "first a line sep=,",
        ),
    ],
)
def test_what_can_not_be_read(tmp_path: Path, content: str | bytes, line: str) -> None:
    with pytest.raises(Refusal) as refused:
        found(tmp_path, content)
    assert str(refused.value) == f"{tmp_path}/rows.csv: {line}"
    assert refused.value.path == SETTING


def test_what_is_no_file(tmp_path: Path) -> None:
    for file, what in (
        (tmp_path, "can.t be read .is a folder."),
        (tmp_path / "rows.csv", "no such file"),
    ):
        with pytest.raises(Refusal, match=f"{file}: {what}; allowed: a CSV file"):
            dialect(file, "a CSV file", SETTING)


def test_a_row_that_the_look_cuts_off_does_not_count(tmp_path: Path) -> None:
    rows = "age;size, cm;ill\n" + "50;1,8;no\n" * 110_000
    assert found(tmp_path, rows)[0].separator == ";"
