"""The timeline: whose spans are in the page, where they stand, and what is left out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.figures.timeline import DARKER
from analysis.loading import load
from analysis.report import nodes
from analysis.report.drawing import View
from analysis.report.nodes import most_each, timeline
from sim.record.errors import ResultError
from sim.record.rows import TraceRow
from tests.analysis.figures.looked_at import a_run, a_sweep
from tests.analysis.figures.test_timeline_figure import ALONE, lives
from tests.analysis.folders import Run, described, trace, write_run


def happens(run: Run) -> Sequence[TraceRow]:
    """Client 0 trains, sends to client 1, and goes down."""
    return [
        trace(run, 1.0, "client_0", "train"),
        TraceRow(run[1], run[2], 2.0, 1.0, "client_0", "transfer", "client_1", 9),
        trace(run, 4.0, "client_0", "crash", cause="churn"),
    ]


def spans(view: View) -> dict[str, list[tuple[Any, ...]]]:
    assert view.bars is not None
    return {
        state["name"]: list(zip(state["node"], state["start"], state["stop"], strict=True))
        for state in view.bars["states"]
    }


def test_what_nodes_did(tmp_path: Path) -> None:
    figure = timeline(a_run(tmp_path, events=happens))
    assert figure.choices == [("protocol", ["local", "fedavg"]), ("seed", ["0", "1"])]
    view = figure.views[0]
    assert view.bars is not None
    assert (view.bars["nodes"], view.bars["end"]) == (["client 0", "client 1"], 60.0)
    assert spans(view) == {
        "down": [(0, 4.0, 60.0)],
        "trains": [(0, 1.0, 2.0)],
        "sends": [(0, 2.0, 3.0)],
        "receives": [(1, 2.0, 3.0)],
        "under way at the end": [(1, 3.0, 60.0)],
    }
    assert view.alternative == (
        "Timeline of local, seed 0: 2 nodes over 60 s; 1 local rounds finished, 0 lost, "
        "1 models sent, 1 received, 0 lost on their way, 1 outages of client_0."
    )
    assert figure.note.startswith("A row a node; pale where it is up and waits. ")
    assert figure.windows == ()


def test_a_button_shows_what_is_around_a_crash(tmp_path: Path) -> None:
    changes = ["duration=10 min", "faults={a: {kind: crash, node: server, at: 5 min}}"]
    assert timeline(a_run(tmp_path, changes=changes)).windows == (
        ("Around the crash", (240.0, 360.0)),
    )


def test_a_sweep_s_last_point_is_shown_or_the_chosen_one(tmp_path: Path) -> None:
    results = a_sweep(tmp_path)
    assert timeline(results).title == "What the nodes did at churn failure rate 3 / h"
    chosen = timeline(results, "churn.failure_rate-1perh")
    assert chosen.title == "What the nodes did at churn failure rate 1 / h"
    with pytest.raises(ResultError, match=r"--point x: has no finished run in .*; allowed: churn"):
        timeline(results, "x")


def test_a_run_that_failed_has_no_view(tmp_path: Path) -> None:
    results = load(write_run(tmp_path, described(), failed=[("base", "local", 0)]))
    assert [view.keys for view in timeline(results).views] == [
        ("fedavg", "0"),
        ("local", "1"),
        ("fedavg", "1"),
    ]


def test_seeds_that_do_not_fit_are_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Two protocols with four spans a seed.
    monkeypatch.setattr(nodes, "MOST_BARS", 15)
    figure = timeline(a_run(tmp_path, events=happens))
    assert [view.keys for view in figure.views] == [("local", "0"), ("fedavg", "0")]
    assert figure.note.endswith("way. 2 of 4 runs are in this page.")


def test_of_a_long_run_the_first_spans_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes, "MOST_BARS", 6)
    figure = timeline(a_run(tmp_path, events=happens))
    assert [sum(map(len, spans(view).values())) for view in figure.views] == [3, 3]
    assert "down" not in spans(figure.views[0])
    assert figure.note.endswith("Of a run with more than 3 spans the first are shown.")


def test_of_many_nodes_the_first_have_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nodes, "MOST_NODES", 2)
    results = a_run(
        tmp_path,
        values=lambda run: {name: [0.0] * 3 for name in ("client_0", "client_1", "server")},
        events=happens,
    )
    figure = timeline(results)
    assert figure.views[0].bars is not None
    assert figure.views[0].bars["nodes"] == ["server", "client 0"]
    assert "receives" not in spans(figure.views[0])
    assert figure.note.endswith("Of more than 2 nodes the first are shown.")


def test_who_comes_who_goes_and_who_is_believed_what(tmp_path: Path) -> None:
    figure = timeline(a_run(tmp_path, events=lives, changes=ALONE))
    assert [switch.name for switch in figure.switches] == [
        *("links slower", "not there", "down", "rightly suspected", "wrongly suspected"),
        *("joins", "leaves", "is elected", "ends the job", "fail together", "waits"),
    ]
    assert DARKER.capitalize() in figure.note
    view = figure.views[0]
    assert view.alternative.endswith(
        "3 outages of client_0, client_1; 1 joined, 1 left, 2 spans of wrong suspicion."
    )
    assert spans(view)["not there"] == [(0, 0.0, 10.0), (1, 45.0, 60.0)]
    assert view.bars is not None
    told = {one["name"]: (one["color"], one["marker"], one["told"]) for one in view.bars["states"]}
    assert told["links slower"] == ("#CFE3E6", "", [" 4 times"])
    assert told["wrongly suspected"] == ("#B2182B", "", [" by 100 % of the others"] * 2)
    assert told["leaves"] == ("#1B7837", "triangle-left", [""])
    assert view.bars["ties"] == {
        "name": "fail together", "color": "#8C564B", "x": [22.0, 22.0, None], "y": [0, 1, None]
    }  # fmt: skip


@given(st.lists(st.integers(0, 50), min_size=1), st.integers(1, 200))
def test_a_share_is_used_up_and_never_too_much(wanted: list[int], most: int) -> None:
    each = most_each(wanted, most)
    given_out = sum(min(one, each) for one in wanted)
    assert given_out <= most
    if sum(wanted) <= most:
        assert given_out == sum(wanted)
    else:
        # One more for each would be too much.
        assert sum(min(one, each + 1) for one in wanted) > most
