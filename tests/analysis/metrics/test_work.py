"""Cumulated work: counted at its end, seen by looks at that instant, zero where nothing is done."""

import pytest

from analysis.metrics.work import cumulated, epochs_per_round
from sim.record.errors import ResultError
from tests.analysis.made import crash, lost, plain, scores, sent, together, trace, train

TWO = {"client_0": [0.0, 0.5, 1.0], "client_1": [0.0, 0.5, 1.0], "aggregate": [0.0, 0.5, 1.0]}


def test_rounds_and_bytes_at_each_look() -> None:
    happened = trace(
        train(0.0, 60.0, "client_0"),
        train(0.0, 61.0, "client_1"),
        lost(61.0, 9.0, "client_1"),
        sent(10.0, 10.0, "client_0", "client_1", 100),
        sent(60.0, 30.0, "client_1", "client_0", 300),
        sent(60.0, 30.0, "client_1", "client_0", 999, "loss"),
        crash(70.0, "client_1"),
    )
    found = cumulated(happened, scores(TWO))
    columns = ("time_s", "clients", "local_rounds", "local_rounds_lost", "bytes_received")
    assert plain(found, *columns) == [
        (0.0, 2, 0, 0, 0),
        (60.0, 2, 1, 0, 100),
        (120.0, 2, 2, 1, 400),
    ]
    each = cumulated(happened, scores(TWO), by_node=True)
    assert "clients" not in each
    columns = ("time_s", "node", "local_rounds", "bytes_received", "bytes_sent")
    assert plain(each, *columns) == [
        (0.0, "client_0", 0, 0, 0),
        (0.0, "client_1", 0, 0, 0),
        (60.0, "client_0", 1, 0, 100),
        (60.0, "client_1", 0, 100, 0),
        (120.0, "client_0", 1, 300, 100),
        (120.0, "client_1", 1, 100, 300),
    ]


def test_a_round_that_ends_at_a_look_is_in_it_however_it_is_rounded() -> None:
    # A trace has a beginning and a duration; here their sum is a bit beyond the instant meant.
    look_s, start_s = 60.1, 16.2
    duration_s = look_s - start_s
    assert start_s + duration_s > look_s
    looks = scores({"client_0": [0.0, 0.5]})
    looks["time_s"] = [0.0, look_s]
    found = cumulated(trace(train(start_s, duration_s, "client_0")), looks)
    assert plain(found, "local_rounds") == [0, 1]


def test_a_client_that_never_trains_and_a_run_without_a_trace_have_zeros() -> None:
    both = together(scores(TWO), scores(TWO, seed=1))
    found = cumulated(trace(train(0.0, 1.0, "client_1")), both, by_node=True)
    last = found[found["time_s"] == 120.0]
    assert plain(last, "seed", "node", "local_rounds") == [
        (0, "client_0", 0),
        (0, "client_1", 1),
        (1, "client_0", 0),
        (1, "client_1", 0),
    ]
    empty = cumulated(trace(), scores(TWO))
    assert plain(empty, "time_s", "local_rounds") == [(0.0, 0), (60.0, 0), (120.0, 0)]


def test_several_metrics_count_once() -> None:
    both = together(scores(TWO), scores(TWO, metric="loss"))
    found = cumulated(trace(train(0.0, 1.0, "client_1")), both, epochs_per_round={"high": 3.0})
    assert plain(found, "local_rounds", "local_epochs") == [(0, 0.0), (1, 3.0), (1, 3.0)]


def test_a_trace_that_was_read_in_part_is_refused() -> None:
    happened = trace(train(0.0, 1.0, "client_0"))
    happened.attrs = {"kinds": ("train", "transfer")}
    with pytest.raises(ResultError, match="trace: was read without train_lost; needed: train, tr"):
        cumulated(happened, scores(TWO))
    happened.attrs = {"nodes": ("client_0",)}
    with pytest.raises(ResultError, match="trace: was read for some nodes; needed: all"):
        cumulated(happened, scores(TWO))
    happened.attrs = {}
    with pytest.raises(ResultError, match="trace: lacks the column peer"):
        cumulated(happened.drop(columns="peer"), scores(TWO))
    with pytest.raises(ResultError, match="trace: has runs that the scores do not have"):
        cumulated(happened, scores(TWO, seed=1))
    with pytest.raises(ResultError, match="scores: has no rows"):
        cumulated(happened, scores(TWO).iloc[:0])


def test_epochs_per_round_are_the_scenario_s() -> None:
    assert epochs_per_round({"training": {"local_epochs": 2}}) == 2.0
    with pytest.raises(ResultError, match="training: counts in local_steps"):
        epochs_per_round({"training": {"local_steps": 5}})
