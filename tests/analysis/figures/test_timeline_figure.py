"""One run's timeline: what each node did, and who merged whom."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis.figures.timeline import DARKER, shade, timeline, timeline_data
from sim.record.errors import ResultError
from sim.record.rows import TraceRow
from tests.analysis.figures.looked_at import a_run, drawn, keys, xs, ys
from tests.analysis.folders import Run, trace

ALONE = ["protocols={local: {}}", "seeds=[0]"]
PEERS = ["protocols={braintorrent: {}}"]


def happens(run: Run) -> Sequence[TraceRow]:
    """Client 0 trains, sends, and goes down; client 1 merges."""
    return [
        trace(run, 1.0, "client_0", "train"),
        TraceRow(run[1], run[2], 2.0, 1.0, "client_0", "transfer", "client_1", 9),
        trace(run, 3.0, "client_1", "merge", peers=("client_0",)),
        trace(run, 4.0, "client_0", "crash", cause="churn"),
    ]


def spans(did: pd.DataFrame) -> list[list[Any]]:
    """Node, state, from when, to when."""
    found: list[list[Any]] = did.drop(columns="amount").values.tolist()
    return found


def test_what_happened(tmp_path: Path) -> None:
    did, merged = timeline_data(a_run(tmp_path, events=happens, changes=PEERS))
    assert spans(did) == [
        ["client_0", "down", 4.0, 60.0],
        ["client_0", "train", 1.0, 2.0],
        ["client_0", "send", 2.0, 3.0],
        ["client_1", "receive", 2.0, 3.0],
        ["client_1", "open", 4.0, 60.0],
    ]
    assert merged.values.tolist() == [[3.0, "client_1", "client_0"]]


def test_a_transfer_that_is_lost_has_a_bar_of_its_own(tmp_path: Path) -> None:
    def events(run: Run) -> Sequence[TraceRow]:
        cut = TraceRow(run[1], run[2], 5.0, 2.0, "server", "transfer_lost", "client_0", 9)
        return [cut] if run[1] == "fedavg" else []

    results = a_run(tmp_path, events=events)
    did, _ = timeline_data(results, protocol="fedavg")
    assert spans(did) == [["server", "send_lost", 5.0, 7.0]]
    assert keys(drawn(timeline(results, protocol="fedavg"))) == ["sends in vain"]
    assert keys(drawn(timeline(results, protocol="local"))) == []


def test_standbys_have_rows_though_no_scores(tmp_path: Path) -> None:
    def events(run: Run) -> Sequence[TraceRow]:
        replica = TraceRow(run[1], run[2], 2.0, 1.0, "server", "transfer", "standby_1", 9)
        return [replica, trace(run, 4.0, "standby_1", "crash")] if run[1] == "fedavg" else []

    results = a_run(tmp_path, events=events)
    did, _ = timeline_data(results, protocol="fedavg")
    assert spans(did) == [
        ["standby_1", "down", 4.0, 60.0],
        ["server", "send", 2.0, 3.0],
        ["standby_1", "receive", 2.0, 3.0],
    ]
    (axis,) = drawn(timeline(results, protocol="fedavg")).axes
    assert [label.get_text() for label in axis.get_yticklabels()][-2:] == ["server", "standby 1"]


def test_only_what_is_in_the_stretch_is_drawn(tmp_path: Path) -> None:
    results = a_run(tmp_path, events=happens, changes=PEERS)
    assert keys(drawn(timeline(results)))[-1] == "is merged by"
    assert keys(drawn(timeline(results, seed=1, from_s=10.0, until_s=20.0))) == [
        *("down", "under way at the end")
    ]
    with pytest.raises(ResultError, match="--from 5 s, --to 1 s: show nothing of the run; "):
        timeline(results, from_s=5.0, until_s=1.0)


def test_the_window_is_named(tmp_path: Path) -> None:
    results = a_run(tmp_path, events=happens, changes=PEERS)
    for from_s, until_s, words in (
        (None, None, "from 0 to 30 s of 60 s"),
        (40.0, None, "from 40 to 60 s of 60 s"),
        (None, 90.0, "from 0 to 60 s of 60 s"),
    ):
        assert words in timeline(results, from_s=from_s, until_s=until_s).get_suptitle()


def both(run: Run) -> Sequence[TraceRow]:
    """Only fedavg's trace can tell of the server."""
    crash = trace(run, 10.0, "server", "crash", cause="boom")
    return [crash] if run[1] == "fedavg" else []


def test_the_server_has_a_row_where_it_is_not_used(tmp_path: Path) -> None:
    def values(run: Run) -> Mapping[str, Sequence[float]]:
        server = {"server": [0.0] * 3} if run[1] == "fedavg" else {}
        return {"client_0": [0.0] * 3, **server}

    results = a_run(tmp_path, values, both)
    for protocol, name in (("local", "server\n(not used)"), ("fedavg", "server")):
        did, _ = timeline_data(results, protocol=protocol)
        assert spans(did) == [["server", "down", 10.0, 60.0]]
        labels = drawn(timeline(results, protocol=protocol)).axes[0].get_yticklabels()
        assert [label.get_text() for label in labels] == ["client 0", name]


def test_a_round_that_the_end_cut_off(tmp_path: Path) -> None:
    def events(run: Run) -> Sequence[TraceRow]:
        # Of local everybody trains without a pause, client 1 but for its end; of fedavg client 0
        # has sent what it made, and waits.
        client = trace(run, 40.0, "client_0", "train")
        if run[1] == "local":
            return [client, trace(run, 50.0, "client_1", "crash", cause="churn")]
        order = TraceRow(run[1], run[2], 30.0, 1.0, "server", "transfer", "client_0", 9)
        again = TraceRow(run[1], run[2], 45.0, 1.0, "server", "transfer", "client_1", 9)
        return [order, client, again]

    results = a_run(tmp_path, events=events)
    for protocol, expected in (
        ("local", [["client_0", "open", 41.0, 60.0]]),
        ("fedavg", [["client_1", "open", 46.0, 60.0]]),
    ):
        did, _ = timeline_data(results, protocol=protocol)
        assert spans(did[did["state"] == "open"]) == expected


def test_what_befalls_the_network_stands_above(tmp_path: Path) -> None:
    def events(run: Run) -> Sequence[TraceRow]:
        return [
            trace(run, 10.0, "", "partition", cause="cut"),
            trace(run, 50.0, "", "heal", cause="cut"),
        ]

    assert keys(drawn(timeline(a_run(tmp_path, events=events)))) == ["network in parts"]
    results = a_run(tmp_path / "later", events=events)
    assert keys(drawn(timeline(results, from_s=55.0))) == []


def lives(run: Run) -> Sequence[TraceRow]:
    """Client 0 joins, has slow links, and is believed down for nothing; client 1 leaves."""

    def belief(time_s: float, kind: str) -> TraceRow:
        return TraceRow(run[1], run[2], time_s, 0.0, "client_1", kind, "client_0", 0)

    return [
        trace(run, 10.0, "client_0", "join", cause="late"),
        trace(run, 12.0, "client_0", "degrade", cause="night", factor=4.0),
        belief(20.0, "suspect"),
        trace(run, 22.0, "client_0", "crash", cause="power"),
        trace(run, 22.0, "client_1", "crash", cause="power"),
        trace(run, 23.0, "client_0", "recover", cause="power"),
        trace(run, 23.0, "client_1", "recover", cause="power"),
        trace(run, 25.0, "client_0", "degrade", cause="night", factor=1.0),
        belief(30.0, "suspect"),
        trace(run, 32.0, "client_0", "lead"),
        trace(run, 34.0, "client_0", "crash", cause="alone"),
        belief(36.0, "trust"),
        trace(run, 40.0, "client_1", "abort"),
        trace(run, 45.0, "client_1", "leave", cause="end"),
    ]


def test_who_comes_who_goes_and_who_is_believed_what(tmp_path: Path) -> None:
    results = a_run(tmp_path, events=lives, changes=ALONE)
    did, _ = timeline_data(results)
    assert spans(did[did["state"] != "open"]) == [
        ["client_0", "down", 22.0, 23.0],
        ["client_0", "down", 34.0, 60.0],
        ["client_1", "down", 22.0, 23.0],
        ["client_1", "absent", 45.0, 60.0],
        ["client_0", "absent", 0.0, 10.0],
        ["client_0", "lead", 32.0, 33.0],
        ["client_0", "join", 10.0, 10.0],
        ["client_1", "leave", 45.0, 45.0],
        ["client_1", "abort", 40.0, 40.0],
        ["client_0", "suspected", 34.0, 36.0],
        ["client_0", "suspected_up", 20.0, 22.0],
        ["client_0", "suspected_up", 30.0, 34.0],
        ["client_0", "degraded", 12.0, 25.0],
    ]
    assert did.loc[did["state"] == "degraded", "amount"].tolist() == [4.0]
    figure = drawn(timeline(results, from_s=0.0))
    assert keys(figure) == [
        *("links slower", "not there", "down", "rightly suspected", "wrongly suspected"),
        *("joins", "leaves", "is elected", "ends the job", "fail together"),
    ]
    assert figure.get_suptitle().endswith(DARKER)
    (axis,) = figure.axes
    assert [text.get_text() for text in axis.texts] == ["×4"]
    # Who fails alone isn't joined to anybody.
    [tied] = [line for line in axis.lines if line.get_marker() == "o"]
    assert (xs(tied).tolist(), ys(tied).tolist()) == ([22.0, 22.0], [0, 1])


def test_a_suspicion_is_the_darker_the_more_have_it() -> None:
    assert 0 < shade(0.0) < shade(0.25) < shade(0.5) < shade(1.0) == 1.0


@pytest.mark.slow
def test_factors_of_links_that_are_slower_all_the_time_are_left_out(tmp_path: Path) -> None:
    def flapping(run: Run) -> Sequence[TraceRow]:
        return [
            trace(run, 0.25 * place, "client_0", "degrade", cause="wifi", factor=1.0 + place % 2)
            for place in range(1, 201)
        ]

    (axis,) = drawn(timeline(a_run(tmp_path, events=flapping), protocol="local", from_s=0.0)).axes
    assert len(axis.texts) == 0


def test_it_begins_where_somebody_comes_if_nothing_crashes(tmp_path: Path) -> None:
    def joins(run: Run) -> Sequence[TraceRow]:
        return [trace(run, 40.0, "client_1", "join", cause="late")]

    drawn_from = timeline(a_run(tmp_path, events=joins, changes=PEERS)).get_suptitle()
    assert "from 25 to 55 s of 60 s" in drawn_from
