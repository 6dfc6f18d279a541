"""A mistake's line: bounded and printable, whatever a user has written."""

import pytest

from sim.record.errors import (
    LONGEST_LINE,
    LONGEST_NAME,
    Place,
    ScenarioError,
    scenario_error,
    shortened,
    shown,
)

FILE = Place("s.yaml", 3, 7)


def test_a_long_name_in_a_path_is_cut() -> None:
    line = str(scenario_error(FILE, ("faults", "a" * 300, "at"), "is zero", "more"))
    name = f"{'a' * 52}...{'a' * 25}"
    assert len(name) == LONGEST_NAME
    assert line == f"s.yaml:3:7: faults.{name}.at: is zero; allowed: more"


def test_of_a_long_list_of_what_is_allowed_some_are_told_and_how_many_more() -> None:
    names = [f"group_{number}" for number in range(1000)]
    line = str(scenario_error(FILE, ("a",), "is no group", ", ".join(names)))
    head, _, more = line.rpartition(" and ")
    told = head.partition("allowed: ")[2].split(", ")
    assert told == names[: len(told)]
    assert more == f"{1000 - len(told)} more"
    assert LONGEST_LINE - 40 < len(line) <= LONGEST_LINE


@pytest.mark.parametrize(
    ("place", "path", "what", "allowed"),
    [
        (Place("--set " + "x" * 5000, 0), ("x" * 5000,), "is wrong", "right"),
        (FILE, tuple("abcdefgh" * 50), "x" * 5000, "y" * 5000),
        (Place("f" * 400, 1, 1), ("a" * 500,) * 3, "x" * 5000, ", ".join("y" * 5000)),
    ],
)
def test_no_line_is_longer_than_is_read(
    place: Place, path: tuple[str, ...], what: str, allowed: str
) -> None:
    line = str(scenario_error(place, path, what, allowed))
    assert len(line) <= LONGEST_LINE
    assert "; allowed: " in line
    assert line.startswith(str(place)[:60])


def test_a_line_is_bound_whoever_wrote_it() -> None:
    text = str(ScenarioError("--protocol " + "x" * 5000, "b\x1b[31m\nc\u202e"))
    first, second = text.splitlines()
    assert len(first) == LONGEST_LINE
    assert second == "b [31m c "


def test_what_is_short_enough_stays_and_the_ends_of_what_is_not() -> None:
    assert shortened("abcdefghij", 10) == "abcdefghij"
    assert shortened("abcdefghijk", 10) == "abcde...jk"
    assert len(shown("x" * 5000)) == 60
