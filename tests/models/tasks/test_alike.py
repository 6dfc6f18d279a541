"""Names: what looks the same is refused, what nearly does is told, and both can be seen."""

import pytest

from models.tasks.alike import repeated, told_apart, visible
from sim.record.errors import Refusal

SETTING = ("task", "scans")


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (("Köln", "Ko\u0308ln"), r"'Köln' and 'Ko\u0308ln'"),
        (("한", "\u1112\u1161\u11ab"), r"'한' and '\u1112\u1161\u11ab'"),
        (("p1", "p1\u200b"), r"'p1' and 'p1\u200b'"),
        (("\ufeffp1", "p1"), r"'\ufeffp1' and 'p1'"),
        (("p 1", "p\u00a01"), r"'p 1' and 'p\xa01'"),
        (("p1", "p1 "), "'p1' and 'p1 '"),
        (("p 1", "p  1"), "'p 1' and 'p  1'"),
        (("p1", "p\u00ad1"), r"'p1' and 'p\xad1'"),
        (("p1", "p1\u3164"), r"'p1' and 'p1\u3164'"),
        (("p1", "p1\ufe0f"), r"'p1' and 'p1\ufe0f'"),
        (("p1", "p\u202e1"), r"'p1' and 'p\u202e1'"),
        (("a", "b", "e\u0301", "\u200b\u00e9"), r"'e\u0301' and '\u200bé'"),
    ],
)
def test_names_that_look_the_same_are_refused(names: tuple[str, ...], shown: str) -> None:
    with pytest.raises(Refusal) as caught:
        told_apart("scans.csv", "subjects", names, SETTING)
    assert caught.value.what == f"scans.csv: the subjects {shown} look the same"
    assert caught.value.path == SETTING


@pytest.mark.parametrize(
    "names",
    [
        ("Aachen", "aachen"),
        ("Straße", "STRASSE"),
        ("p1", "\uff50\uff11"),
        ("Zürich", "ZU\u0308RICH"),
    ],
)
def test_names_that_differ_in_case_or_width_are_told(names: tuple[str, str]) -> None:
    one, other = map(visible, names)
    assert told_apart("scans", "sites", (*names, "Bonn", names[0]), SETTING) == [
        f"scans: the sites {one} and {other} differ in case or width alone, and count as two"
    ]


def test_names_that_are_one_number_are_said() -> None:
    assert told_apart("scans", "sites", ["01", "b", "1.0", "-1"], SETTING) == [
        "scans: the sites '01' and '1.0' are one number, and count as two"
    ]


def test_other_names_are_let_be() -> None:
    names = ["a", "a", "ä", "b", "a1", "a-1", "a_1", "1", "10", "1a", "", "O", "0", "\u200b1"]
    long = [f"1{'0' * zeros}{end}" for zeros in (20, 5000) for end in (1, 2)]
    assert told_apart("scans", "sites", [*names[:-1], *long], SETTING) == []
    with pytest.raises(Refusal):
        told_apart("scans", "sites", names, SETTING)


def test_what_can_be_seen_stays_as_it_is() -> None:
    assert visible("Köln 한 'x'") == '''"Köln 한 'x'"'''
    assert visible("a\x1b[31m\n") == r"'a\x1b[31m\n'"


def test_each_repeated_content_is_found_with_its_first() -> None:
    assert repeated("abcab a") == [(0, 3), (1, 4), (0, 6)]
    assert repeated([]) == []
