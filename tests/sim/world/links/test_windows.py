"""When links are cut or slow, against looking at each span."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.world.links.windows import Cut, Degraded, Direction, Windows

TIMES = st.integers(0, 24).map(float)
LOOKS = np.array([-math.inf, *np.arange(-1.0, 26.0, 0.5)])


@st.composite
def windows(draw: st.DrawFn) -> Windows:
    ends = sorted(draw(st.sets(TIMES, max_size=8)))
    return Windows([span for number, span in enumerate(pairwise(ends)) if draw(st.booleans())])


def holds(some: Windows, time_s: float) -> bool:
    return any(from_s <= time_s < to_s for from_s, to_s in some.spans)


@settings(max_examples=50, deadline=None)
@given(windows(), TIMES)
def test_windows_hold_where_a_span_does(some: Windows, since_s: float) -> None:
    assert some.hold(LOOKS).tolist() == [holds(some, time_s) for time_s in LOOKS]
    for time_s in LOOKS[1:].tolist():
        inside = [to_s for from_s, to_s in some.spans if from_s <= time_s < to_s]
        assert some.over_s(time_s) == (inside or [time_s])[0]
        if time_s >= since_s:
            held = any(from_s <= time_s and to_s > since_s for from_s, to_s in some.spans)
            assert some.held(since_s, time_s) == held


@settings(max_examples=50, deadline=None)
@given(st.lists(windows(), min_size=1, max_size=3), TIMES)
def test_each_struck_node_has_windows_of_its_own(rows: list[Windows], since_s: float) -> None:
    # Node 0 is not struck, and the last two are struck alike.
    count = len(rows) + 2
    struck = [([number], row) for number, row in enumerate(rows, start=1)]
    struck[-1] = ([count - 2, count - 1], rows[-1])
    degraded = Degraded(count, 0.5, 1.0, struck)
    own = [Windows(), *rows, rows[-1]]
    nodes = np.arange(count)
    found = degraded.holds(nodes[:, None], LOOKS[None, :])
    assert found.tolist() == [[holds(each, time_s) for time_s in LOOKS] for each in own]
    for time_s in LOOKS[1:].tolist():
        assert [degraded.holds_at(node, time_s) for node in range(count)] == [
            holds(each, time_s) for each in own
        ]
        held = [each.held(since_s, time_s) for each in own]
        assert degraded.held(nodes, since_s, time_s).tolist() == held


@pytest.mark.parametrize(
    ("direction", "stopped"),
    [
        ("both", {(0, 1), (1, 0), (0, 2), (2, 0), (1, 2), (2, 1)}),
        ("out", {(1, 0), (2, 0), (1, 2), (2, 1)}),
        ("in", {(0, 1), (0, 2), (1, 2), (2, 1)}),
    ],
)
def test_what_groups_that_are_named_send_and_get(
    direction: Direction, stopped: set[tuple[int, int]]
) -> None:
    # Nodes 0 and 3 are in no group that is named.
    cut = Cut(Windows(), np.array([0, 1, 2, 0]), direction)
    names = range(3)
    several = np.array(names)
    for one in names:
        assert cut.stops(one, several).tolist() == [(one, other) in stopped for other in names]
        assert cut.stops(several, one).tolist() == [(other, one) in stopped for other in names]
    assert not cut.stops(0, 3) and not cut.parts(0, 3) and cut.parts(0, 1)
