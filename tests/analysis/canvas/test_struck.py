"""Bars above a panel: what lies beyond the run's end leaves the axis as it is."""

import pandas as pd
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from analysis.canvas import struck


def test_what_strikes_after_the_end_does_not_squeeze_the_curves() -> None:
    rows = [
        (0, "server_down", "server", "first", 20.0, 500.0, True),
        (0, "client_down", "client_0", "late", 400.0, 450.0, True),
    ]
    columns = ["seed", "kind", "node", "cause", "start_s", "stop_s", "is_fixed"]
    axis = Figure().subplots()
    axis.plot([0.0, 1.0], [0.0, 1.0])
    before = axis.get_xlim()
    struck.draw(axis, pd.DataFrame(rows, columns=columns), 60.0, 1 / 60)
    assert axis.get_xlim() == before
    (bars,) = axis.findobj(LineCollection)
    assert isinstance(bars, LineCollection)
    (segment,) = bars.get_segments()
    assert segment[:, 0].tolist() == [20 / 60, 1.0]


def test_a_join_and_a_leave_have_each_a_line() -> None:
    rows = [
        (0, "absent", "client_0", "late", 0.0, 20.0, True),
        (0, "left", "client_1", "end", 40.0, None, True),
    ]
    columns = ["seed", "kind", "node", "cause", "start_s", "stop_s", "is_fixed"]
    found = pd.DataFrame(rows, columns=columns)
    assert struck.edges_s(found) == [20.0, 40.0]
    assert [key.get_label() for key in struck.keys(found)] == [
        *("a client gone", "a client not there yet"),
    ]
