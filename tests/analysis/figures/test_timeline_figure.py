"""One run's timeline: what each node did, and who merged whom."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from analysis.figures.timeline import timeline, timeline_data
from sim.record.errors import ResultError
from sim.record.rows import TraceRow
from tests.analysis.figures.looked_at import a_run, drawn, keys
from tests.analysis.folders import Run, trace

PEERS = ["protocols={braintorrent: {}}"]


def happens(run: Run) -> Sequence[TraceRow]:
    """Client 0 trains, sends, and goes down; client 1 merges."""
    return [
        trace(run, 1.0, "client_0", "train"),
        TraceRow(run[1], run[2], 2.0, 1.0, "client_0", "transfer", "client_1", 9),
        trace(run, 3.0, "client_1", "merge", peers=("client_0",)),
        trace(run, 4.0, "client_0", "crash", cause="churn"),
    ]


def test_what_happened(tmp_path: Path) -> None:
    did, merged = timeline_data(a_run(tmp_path, events=happens, changes=PEERS))
    assert did.values.tolist() == [
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
    assert did.values.tolist() == [["server", "send_lost", 5.0, 7.0]]
    assert keys(drawn(timeline(results, protocol="fedavg"))) == ["sends in vain"]
    assert keys(drawn(timeline(results, protocol="local"))) == []


def test_standbys_have_rows_though_no_scores(tmp_path: Path) -> None:
    def events(run: Run) -> Sequence[TraceRow]:
        replica = TraceRow(run[1], run[2], 2.0, 1.0, "server", "transfer", "standby_1", 9)
        return [replica, trace(run, 4.0, "standby_1", "crash")] if run[1] == "fedavg" else []

    results = a_run(tmp_path, events=events)
    did, _ = timeline_data(results, protocol="fedavg")
    assert did.values.tolist() == [
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
        assert did.values.tolist() == [["server", "down", 10.0, 60.0]]
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
        assert did[did["state"] == "open"].values.tolist() == expected


def test_what_befalls_the_network_stands_above(tmp_path: Path) -> None:
    def events(run: Run) -> Sequence[TraceRow]:
        return [
            trace(run, 10.0, "", "partition", cause="cut"),
            trace(run, 50.0, "", "heal", cause="cut"),
        ]

    assert keys(drawn(timeline(a_run(tmp_path, events=events)))) == ["network in parts"]
    results = a_run(tmp_path / "later", events=events)
    assert keys(drawn(timeline(results, from_s=55.0))) == []
