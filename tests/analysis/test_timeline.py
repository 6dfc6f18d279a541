"""Lanes: what overlaps is spread, what does not stays together, and rounding parts nothing."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.timeline import Mark, Slice, lanes

Spans = list[tuple[int, int]]


def laid(spans: Spans, slack_us: int = 0) -> list[Spans]:
    slices = [Slice(start, end, "x", "x") for start, end in spans]
    return [
        [(one.start_us, one.end_us) for one in track.slices]
        for track in lanes("client_0", slices, slack_us=slack_us)
    ]


@pytest.mark.parametrize(
    ("spans", "expected"),
    [
        ([], [[]]),
        ([(0, 5), (5, 9)], [[(0, 5), (5, 9)]]),
        # The first lane that is free, not the last that was used.
        (
            [(0, 9), (1, 3), (2, 4), (3, 5), (9, 10)],
            [[(0, 9), (9, 10)], [(1, 3), (3, 5)], [(2, 4)]],
        ),
        # Nothing is nested: what lies within another would look like a part of it.
        ([(0, 9), (2, 4)], [[(0, 9)], [(2, 4)]]),
        # What takes no time shares the instant at which the next begins.
        ([(5, 9), (5, 5)], [[(5, 5), (5, 9)]]),
    ],
)
def test_lanes(spans: Spans, expected: list[Spans]) -> None:
    assert laid(spans) == expected


def test_slack_moves_what_begins_a_digit_too_early() -> None:
    assert laid([(0, 6), (5, 9)], slack_us=1) == [[(0, 6), (6, 9)]]
    assert laid([(0, 6), (5, 5)], slack_us=1) == [[(0, 6), (6, 6)]]
    assert laid([(0, 6), (4, 9)], slack_us=1) == [[(0, 6)], [(4, 9)]]


def test_the_first_lane_has_the_name_and_the_marks() -> None:
    mark = Mark(3, "message lost", "message_lost")
    slices = [Slice(0, 5, "a", "x"), Slice(1, 5, "b", "x")]
    first, second = lanes("client_0", slices, [mark])
    assert (first.name, first.marks) == ("client_0", (mark,))
    assert (second.name, second.marks) == ("client_0 (2)", ())


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 9))))
def test_lanes_are_as_few_as_the_most_that_overlap(pairs: list[tuple[int, int]]) -> None:
    spans = [(start, start + length) for start, length in pairs]
    found = laid(spans)
    assert sorted(span for lane in found for span in lane) == sorted(spans)
    for lane in found:
        assert all(before[1] <= after[0] for before, after in pairwise(lane))
    # An instant that many touch, by beginning or going on, but not by ending there.
    most = max((sum(a <= t < b or a == b == t for a, b in spans) for t, _ in spans), default=1)
    assert len(found) <= max(1, most)
