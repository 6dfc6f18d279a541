"""The Perfetto file: the exact events of tiny runs, worked out by hand."""

import math
from typing import Any

import pandas as pd
import pytest

from analysis import perfetto
from analysis.timeline import layout
from sim.record.errors import ResultError
from tests.analysis import made
from tests.analysis.made import Event, crash, event, lost, recover, sent, train
from tests.analysis.trace_events import checked, track_names

TWO = {"client_0": [0.0, 0.25], "client_1": [0.5, 0.75], "aggregate": [0.5, 0.625]}


def text(
    *events: Event, values: dict[str, list[float]] | None = None, scores: pd.DataFrame | None = None
) -> str:
    looks = made.scores(values or TWO) if scores is None else scores
    shown = layout(made.trace(*events), looks, "accuracy")
    return "\n".join(perfetto.lines(shown, "tiny swarm seed 0", {"scenario": "tiny"}))


def timed(*events: Event, **scores: Any) -> list[dict[str, Any]]:
    """The events of all phases but metadata and curves, without the process."""
    found = checked(text(*events, **scores))
    kept = [event for event in found if event["ph"] not in "MC"]
    return [{name: value for name, value in event.items() if name != "pid"} for event in kept]


def test_a_transfer_is_two_slices_and_an_arrow_between_them() -> None:
    events = text(train(0.0, 2.0, "client_0"), sent(2.0, 0.5, "client_0", "client_1", 64))
    names = ("client_0", "client_0 sends", "client_1", "client_1 receives")
    arrow = {"pid": 1, "name": "transfer", "cat": "transfer", "id": 2}
    under_way = {"ph": "X", "ts": 2_000_000, "dur": 500_000, "pid": 1, "cat": "transfer"}
    curve = {"ph": "C", "pid": 1, "name": "accuracy"}
    assert checked(events) == [
        {"ph": "M", "pid": 1, "name": "process_name", "args": {"name": "tiny swarm seed 0"}},
        *(
            {"ph": "M", "pid": 1, "tid": thread, "name": what, "args": {key: value}}
            for thread, name in enumerate(names, start=1)
            for what, key, value in (
                ("thread_name", "name", name),
                ("thread_sort_index", "sort_index", thread),
            )
        ),
        {
            **{"ph": "X", "ts": 0, "dur": 2_000_000, "pid": 1, "tid": 1},
            **{"name": "train", "cat": "train", "args": {"round": 0, "attempt": 0}},
        },
        {**curve, "ts": 0, "args": {"mean client, as received": 0.25, "aggregate": 0.5}},
        {"ph": "C", "ts": 0, "pid": 1, "name": "nodes", "args": {"up": 2}},
        {**under_way, "tid": 2, "name": "to client_1", "args": {"bytes": 64}},
        {"ph": "s", "ts": 2_000_000, "tid": 2, **arrow},
        {**under_way, "tid": 4, "name": "from client_0", "args": {"bytes": 64}},
        {"ph": "f", "ts": 2_499_999, "tid": 4, "bp": "e", **arrow},
        {**curve, "ts": 60_000_000, "args": {"mean client, as received": 0.5, "aggregate": 0.625}},
    ]


def test_each_event_is_a_line() -> None:
    first, *others, last = text(train(0.0, 2.0, "client_0")).split("\n")
    assert first == ('{"displayTimeUnit":"ms","otherData":{"scenario":"tiny"},"traceEvents":[')
    assert '{"ph":"C","ts":0,"pid":1,"name":"nodes","args":{"up":2}},' in others
    assert last == "]}"


def test_transfers_that_overlap_are_on_lanes_of_their_own() -> None:
    events = checked(
        text(
            sent(1.0, 2.0, "client_0", "client_1", 64),
            sent(2.0, 2.0, "client_0", "client_1", 64),
            sent(3.0, 1.0, "client_0", "client_1", 64),
        )
    )
    names = track_names(events)
    assert list(names.values()) == [
        *("client_0", "client_0 sends", "client_0 sends (2)"),
        *("client_1", "client_1 receives", "client_1 receives (2)"),
    ]
    received = [
        (names[event["tid"]], event["ts"]) for event in events if event["name"] == "from client_0"
    ]
    assert received == [
        ("client_1 receives", 1_000_000),
        ("client_1 receives (2)", 2_000_000),
        ("client_1 receives", 3_000_000),
    ]


def test_a_node_is_down_from_its_crash_to_its_recovery_or_to_the_end() -> None:
    events = (lost(2.0, 3.0, "client_0"), crash(5.0, "client_0"), recover(9.0, "client_0"))
    found = checked(text(*events, crash(30.0, "client_1", "blow")))
    down = [event for event in found if event["name"] == "down"]
    assert [(one["tid"], one["ts"], one["dur"], one["args"]) for one in down] == [
        (1, 5_000_000, 4_000_000, {"fault": "churn"}),
        (2, 30_000_000, 30_000_000, {"fault": "blow"}),
    ]
    up = [(one["ts"], one["args"]) for one in found if one["name"] == "nodes"]
    assert up == [
        (0, {"up": 2}),
        (5_000_000, {"up": 1}),
        (9_000_000, {"up": 2}),
        (30_000_000, {"up": 1}),
    ]
    # What was lost ends where the outage begins.
    lost_round = next(one for one in found if one["name"] == "train_lost")
    assert (lost_round["tid"], lost_round["ts"] + lost_round["dur"]) == (1, 5_000_000)
    assert lost_round["args"] == {"round": 0, "attempt": 0, "cause": "churn"}


def test_who_has_left_is_gone_and_not_down() -> None:
    found = checked(text(event(30.0, 0.0, "client_1", "leave", cause="end")))
    gone = [
        (one["tid"], one["ts"], one["dur"], one["args"]) for one in found if one["name"] == "gone"
    ]
    assert gone == [(2, 30_000_000, 30_000_000, {"fault": "end"})]
    assert [one for one in found if one["name"] == "down"] == []


def test_losses_are_marked_when_they_happen() -> None:
    found = timed(
        sent(1.0, 0.5, "client_0", "client_1", 64, "receiver_down"),
        sent(2.0, 0.0, "client_0", "client_1", 64, "loss"),
        event(3.0, 0.25, "client_1", "message_lost", "client_0", cause="receiver_down"),
        event(4.0, 0.0, "client_1", "storage_lost", cause="churn"),
    )
    assert [(one["ph"], one["tid"], one["ts"], one["name"], one["args"]) for one in found] == [
        (*("X", 2, 1_000_000, "to client_1, lost"), {"bytes": 64, "cause": "receiver_down"}),
        (
            *("i", 1, 1_500_000, "transfer lost"),
            {"to": "client_1", "bytes": 64, "cause": "receiver_down"},
        ),
        ("i", 1, 2_000_000, "transfer lost", {"to": "client_1", "bytes": 64, "cause": "loss"}),
        ("i", 3, 3_250_000, "message lost", {"to": "client_0", "cause": "receiver_down"}),
        ("i", 3, 4_000_000, "storage lost", {"cause": "churn"}),
    ]


def test_slowdowns_and_partitions_are_beside_the_work_that_they_cross() -> None:
    found = checked(
        text(
            train(0.0, 4.0, "client_1"),
            event(1.0, 0.0, "client_1", "slowdown", factor=4.0, cause="heat"),
            event(2.0, 0.0, "", "partition", cause="split"),
            event(3.0, 0.0, "", "partition", cause="other"),
            event(5.0, 0.0, "", "heal", cause="other"),
            event(6.0, 0.0, "client_1", "slowdown", factor=2.5, cause="load"),
            event(7.0, 0.0, "client_1", "slowdown", factor=1.0, cause="load"),
            event(8.0, 0.0, "client_1", "slowdown", factor=1.0, cause="heat"),
        )
    )
    names = track_names(found)
    assert list(names.values()) == [
        *("network", "network (2)", "client_0", "client_1"),
        *("client_1 slowed", "client_1 slowed (2)"),
    ]
    assert [
        (names[one["tid"]], one["name"], one["ts"] // 10**6, one["dur"] // 10**6, one["args"])
        for one in found
        if one["ph"] == "X"
    ] == [
        ("client_1", "train", 0, 4, {"round": 0, "attempt": 0}),
        ("client_1 slowed", "4 times slower", 1, 7, {"cause": "heat"}),
        ("network", "partition", 2, 58, {"cause": "split"}),
        ("network (2)", "partition", 3, 2, {"cause": "other"}),
        ("client_1 slowed (2)", "2.5 times slower", 6, 1, {"cause": "load"}),
    ]


def test_a_merge_takes_no_time_and_stands_before_the_round_that_follows() -> None:
    found = timed(
        event(1.0, 0.5, "client_0", "ping", asked=1, answered=1),
        event(1.5, 0.0, "client_0", "merge", peers=("client_1", "client_2")),
        train(1.5, 2.0, "client_0"),
    )
    assert [(one["name"], one["ts"], one["dur"], one["args"]) for one in found] == [
        ("ping", 1_000_000, 500_000, {"asked": 1, "answered": 1}),
        ("merge", 1_500_000, 0, {"models_of": "client_1 client_2"}),
        ("train", 1_500_000, 2_000_000, {"round": 0, "attempt": 0}),
    ]


def test_rounding_does_not_part_what_follows_at_once() -> None:
    found = timed(train(0.0, 0.3000006, "client_0"), train(0.3000004, 1.0, "client_0"))
    assert [(one["tid"], one["ts"], one["dur"]) for one in found] == [
        (1, 0, 300_001),
        (1, 300_001, 999_999),
    ]


def test_what_is_no_number_leaves_a_gap_in_its_curve() -> None:
    values = {
        "client_0": [0.0, math.nan, 0.5],
        "client_1": [0.5, 0.5, math.inf],
        "aggregate": [0.25, 0.5, math.nan],
    }
    curves = [event for event in checked(text(values=values)) if event["name"] == "accuracy"]
    assert [(one["ts"], one["args"]) for one in curves] == [
        (0, {"mean client, as received": 0.25, "aggregate": 0.25}),
        (60_000_000, {"aggregate": 0.5}),
    ]


def test_the_server_is_a_node_after_the_clients() -> None:
    values = {**TWO, "server": [0.0, 0.5]}
    found = checked(
        text(event(0.0, 9.0, "server", "round", round=0, asked=2, updates=2), values=values)
    )
    assert list(track_names(found).values()) == ["client_0", "client_1", "server"]
    (server_round,) = [one for one in found if one["ph"] == "X"]
    assert server_round["args"] == {"round": 0, "asked": 2, "updates": 2}


def test_a_run_without_scores_is_refused() -> None:
    with pytest.raises(ResultError, match="has no rows"):
        text(scores=made.scores(TWO).iloc[:0])


def test_who_comes_and_who_goes() -> None:
    """Client 1 joins at 5 s, is down at 20 s, and leaves at 30 s while it is."""
    there = made.scores(TWO, absent=[("client_1", 0), ("client_1", 1)])
    happened = (made.join(5.0, "client_1"), crash(20.0, "client_1"), made.leave(30.0, "client_1"))
    found = timed(*happened, scores=there)
    slices = [(one["name"], one["ts"], one["dur"]) for one in found if one["ph"] == "X"]
    assert slices == [
        ("not there yet", 0, 5_000_000),
        ("down", 20_000_000, 10_000_000),
        ("gone", 30_000_000, 30_000_000),
    ]
    marks = [(one["name"], one["ts"], one["args"]) for one in found if one["ph"] == "i"]
    assert marks == [
        ("join", 5_000_000, {"cause": "late"}),
        ("leave", 30_000_000, {"cause": "end"}),
    ]
    assert curves("nodes", *happened, scores=there) == [
        *((0, {"up": 1}), (5_000_000, {"up": 2}), (20_000_000, {"up": 1})),
    ]


def test_by_how_many_a_node_is_suspected() -> None:
    happened = (
        event(10.0, 0.0, "client_1", "suspect", "client_0"),
        crash(12.0, "client_0"),
        recover(20.0, "client_0"),
        event(20.5, 0.0, "client_1", "trust", "client_0"),
    )
    assert [time for time, _ in curves("client_0 suspected", *happened)] == [
        *(10_000_000, 12_000_000, 20_000_000, 20_500_000),
    ]
    assert curves("client_0 suspected", *happened)[-1] == (20_500_000, {"by": 0})
    assert curves("client_1 suspected", *happened) == []


def test_links_that_are_slower_have_a_track() -> None:
    happened = (
        event(1.0, 0.0, "client_0", "degrade", cause="night", factor=4.0),
        event(3.0, 0.0, "client_0", "degrade", cause="night", factor=1.0),
        event(5.0, 0.0, "client_0", "degrade", cause="far"),  # Messages are only later.
        event(6.0, 0.0, "client_0", "degrade", cause="far", factor=1.0),
    )
    assert "client_0 links" in track_names(checked(text(*happened))).values()
    found = [(one["name"], one["ts"], one["dur"]) for one in timed(*happened)]
    assert found == [
        ("4 times slower links", 1_000_000, 2_000_000),
        ("later messages", 5_000_000, 1_000_000),
    ]


def curves(name: str, *events: Event, **scores: Any) -> list[tuple[int, dict[str, float]]]:
    """A counter's values, and when it takes them."""
    found = checked(text(*events, **scores))
    return [(one["ts"], one["args"]) for one in found if one["ph"] == "C" and one["name"] == name]


def test_who_fails_together_is_told_of_the_network() -> None:
    found = timed(crash(10.0, "client_0"), crash(10.0, "client_1"), recover(20.0, "client_0"))
    (mark,) = [one for one in found if one["name"] == "2 nodes fail together"]
    assert (mark["ph"], mark["ts"]) == ("i", 10_000_000)
    assert mark["args"]["nodes"] == "client_0 client_1"
