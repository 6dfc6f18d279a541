"""Step functions of time, read at past instants."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.world.history import History


def read(history: History, *questions: tuple[int, float], inclusive: bool) -> list[int]:
    indices = np.array([index for index, _ in questions], dtype=np.int64)
    times = np.array([time for _, time in questions])
    return [int(value) for value in history.at(indices, times, inclusive=inclusive)]


def test_past_present_and_never_changed() -> None:
    history = History(3, 7)
    history.change(0, 2.0, 8)
    history.change(0, 5.0, 9)
    history.change(2, 3.0, 1)
    asked = ((0, 1.0), (0, 4.0), (0, 6.0), (1, 4.0), (2, 2.5), (2, 3.5))
    for inclusive in (True, False):
        assert read(history, *asked, inclusive=inclusive) == [7, 8, 9, 7, 7, 1]
    assert history.current.tolist() == [9, 7, 1]


def test_it_says_when_each_changed_last() -> None:
    history = History(3, 7)
    history.change(0, 2.0, 8)
    history.change(1, 2.0, 8)
    history.change(0, 3.0, 8)
    assert history.changed_s.tolist() == [3.0, 2.0, -np.inf]


def test_change_at_the_very_instant() -> None:
    history = History(1, 0)
    history.change(0, 2.0, 1)
    history.change(0, 5.0, 2)
    assert read(history, (0, 2.0), (0, 5.0), inclusive=True) == [1, 2]
    assert read(history, (0, 2.0), (0, 5.0), inclusive=False) == [0, 1]


def test_two_changes_at_one_instant_leave_the_later() -> None:
    history = History(1, 0)
    history.change(0, 2.0, 1)
    history.change(0, 2.0, 2)
    assert read(history, (0, 2.0), (0, 3.0), inclusive=True) == [2, 2]
    assert read(history, (0, 2.0), inclusive=False) == [0]


def test_time_does_not_go_back() -> None:
    history = History(1, 0)
    history.change(0, 2.0, 1)
    with pytest.raises(AssertionError):
        history.change(0, 1.0, 2)


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9), st.integers(0, 3)), max_size=20),
    st.lists(st.tuples(st.integers(0, 2), st.integers(-1, 10)), min_size=1, max_size=10),
    st.booleans(),
)
def test_equals_a_plain_search(
    changes: list[tuple[int, int, int]], asked: list[tuple[int, int]], inclusive: bool
) -> None:
    history, changes = History(3, -1), sorted(changes, key=lambda change: change[1])
    for index, time, value in changes:
        history.change(index, float(time), value)

    def plain(index: int, time: int) -> int:
        held = [v for i, t, v in changes if i == index and (t < time or (inclusive and t == time))]
        return held[-1] if held else -1

    answers = read(history, *((i, float(t)) for i, t in asked), inclusive=inclusive)
    assert answers == [plain(*question) for question in asked]


def test_the_past_of_what_has_changed_often() -> None:
    history = History(1, 0)
    for time in range(1, 6):
        history.change(0, float(time), 10 * time)
    asked = tuple((0, time + 0.5) for time in range(6))
    for inclusive in (True, False):
        assert read(history, *asked, inclusive=inclusive) == [0, 10, 20, 30, 40, 50]
