"""The cells of a line, with their columns, and the numbers in them."""

import csv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.record.cells import cells, number
from sim.record.errors import Refusal


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("", [("", 1)]),
        ("a,b", [("a", 1), ("b", 3)]),
        ("a,,b,", [("a", 1), ("", 3), ("b", 4), ("", 5)]),
        ('"a,b",c', [("a,b", 1), ("c", 7)]),
        ('"a ""b""", "5" ', [('a "b"', 1), ("5", 11)]),
        (' a , b" ', [(" a ", 1), (' b" ', 5)]),
    ],
)
def test_cells_and_where_they_begin(line: str, found: list[tuple[str, int]]) -> None:
    assert list(cells(line)) == found


@pytest.mark.parametrize(("line", "column"), [('"a', 1), ('a,"b', 3), ('a,"b"c,d', 3), ('"a""', 1)])
def test_a_quotation_mark_that_stands_alone(line: str, column: int) -> None:
    with pytest.raises(Refusal, match="quotation mark") as caught:
        list(cells(line))
    assert caught.value.path == (column,)


@given(st.lists(st.text(st.characters(exclude_characters="\r\n"), min_size=1), min_size=1))
def test_what_the_csv_module_writes_is_read(row: list[str]) -> None:
    quoted = ",".join('"' + cell.replace('"', '""') + '"' for cell in row)
    assert [cell.text for cell in cells(quoted)] == row == next(csv.reader([quoted]))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        *[
            ("12", 12.0),
            ("-0.5", -0.5),
            ("1e3", 1000.0),
            (" 5\t", 5.0),
            ("+5.", 5.0),
            (".5E-1", 0.05),
        ],
        *[(text, None) for text in ("", "5_0", "0x10", "inf", "nan", "1,5", "1e", "5 s", "1e5000")],
        *[(text, None) for text in ("\N{DEVANAGARI DIGIT ONE}", "5\N{NO-BREAK SPACE}", "--5")],
    ],
)
def test_numbers_are_read_strictly(text: str, found: float | None) -> None:
    assert number(text) == found
