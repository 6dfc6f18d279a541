"""To a target: the first look that is good enough, or censored with all that was spent."""

import math

import pytest

from analysis.metrics.clients import over_clients
from analysis.metrics.common import LOOK
from analysis.metrics.progress import to_target
from analysis.metrics.work import cumulated, with_work
from sim.record.errors import ResultError
from tests.analysis.made import plain, scores, together, trace, train


def test_the_first_look_that_is_good_enough() -> None:
    frame = together(
        over_clients(scores({"client_0": [0.1, 0.5, 0.4, 0.9]})),
        over_clients(scores({"client_0": [0.1, 0.2]}, seed=1)),
    )
    found = to_target(frame, 0.5)
    assert list(found) == ["point", "protocol", "seed", "metric", "value", "reached"]
    # Seed 1 never gets there: it is censored at its end.
    assert plain(found, "seed", "value", "reached") == [(0, 60.0, True), (1, 60.0, False)]
    assert plain(to_target(frame, 0.0), "value", "reached") == [(0.0, True), (0.0, True)]


def test_a_loss_has_to_fall_to_it() -> None:
    frame = over_clients(scores({"client_0": [2.0, 0.5]}, metric="loss"))
    assert plain(to_target(frame, 1.0), "value", "reached") == [(60.0, True)]


def test_what_is_no_number_reaches_nothing() -> None:
    frame = over_clients(scores({"client_0": [math.nan, 0.9], "client_1": [1.0, 0.9]}))
    assert plain(to_target(frame, 0.5), "value", "reached") == [(60.0, True)]
    assert plain(to_target(frame, math.nan), "value", "reached") == [(60.0, False)]


def test_other_columns_and_targets_by_point() -> None:
    frame = together(
        over_clients(scores({"client_0": [0.5, 1.0], "client_1": [0.0, 0.5]})),
        over_clients(scores({"client_0": [0.5, 1.0], "client_1": [0.0, 0.5]}, point="low")),
    )
    found = to_target(frame, {"high": 0.25, "low": 0.75}, column="worst")
    assert plain(found, "value", "reached") == [(60.0, True), (60.0, False)]


def test_other_costs_than_time() -> None:
    looks = scores({"client_0": [0.0, 0.5, 0.9], "client_1": [0.0, 0.5, 0.9]})
    happened = trace(
        train(0.0, 30.0, "client_0"), train(0.0, 50.0, "client_1"), train(60.0, 30.0, "client_0")
    )
    frame = with_work(over_clients(looks), cumulated(happened, looks, epochs_per_round=2))
    for target, rounds, reached in ((0.5, 2, True), (0.9, 3, True), (1.0, 3, False)):
        found = to_target(frame, target, cost="local_rounds")
        assert plain(found, "value", "reached") == [(rounds, reached)]
    assert to_target(frame, 0.9, cost="local_epochs")["value"].tolist() == [6.0]
    assert list(frame)[:7] == [*LOOK, "clients", "up"] and "local_rounds" in frame


def test_work_has_to_be_of_the_same_runs() -> None:
    looks = scores({"client_0": [0.0, 0.5], "client_1": [0.0, 0.5]})
    with pytest.raises(ResultError, match="work: has several rows of one look; allowed: one"):
        with_work(over_clients(looks), cumulated(trace(), looks, by_node=True))
    with pytest.raises(ResultError, match="work: lacks looks of over_time"):
        with_work(over_clients(looks), cumulated(trace(), looks).query("time_s == 0"))
