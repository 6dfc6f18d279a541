"""Recovery of nodes and of scores, by hand; what has not recovered is censored."""

import math
from typing import Any

import pandas as pd

from analysis.metrics.clients import over_clients
from analysis.metrics.progress import recovery_of_score
from analysis.metrics.states import recovery_of_nodes
from tests.analysis.made import Event, crash, event, plain, recover, scores, together, trace, train

TWO = {"client_0": [0.0, 0.5, 1.0], "client_1": [0.0, 0.5, 1.0], "server": [0.0, 0.5, 1.0]}


def curve(*values: float, **run: Any) -> pd.DataFrame:
    return over_clients(scores({"client_0": values}, **run))


def test_from_recovery_to_the_next_finished_round() -> None:
    happened = trace(
        train(0.0, 10.0, "client_0"),
        crash(15.0, "client_0"),
        recover(20.0, "client_0"),
        train(25.0, 7.0, "client_0"),
        train(32.0, 7.0, "client_0"),
        train(25.0, 1.0, "client_1"),
    )
    found = recovery_of_nodes(happened, scores(TWO))
    columns = ("node", "fault", "crash_s", "recover_s", "value", "reached")
    assert plain(found, *columns) == [("client_0", "churn", 15.0, 20.0, 12.0, True)]


def test_another_crash_or_the_end_censors() -> None:
    happened = trace(
        crash(10.0, "client_0"),
        recover(20.0, "client_0"),
        crash(25.0, "client_0"),
        recover(30.0, "client_0"),
        train(31.0, 9.0, "client_0"),
        crash(100.0, "client_1"),
        recover(110.0, "client_1"),
        crash(50.0, "client_1"),
        recover(60.0, "client_1"),
        train(61.0, 1.0, "client_1"),
    )
    found = recovery_of_nodes(happened, scores(TWO))
    assert plain(found, "node", "recover_s", "value", "reached") == [
        ("client_0", 20.0, 5.0, False),
        ("client_0", 30.0, 10.0, True),
        ("client_1", 60.0, 2.0, True),
        ("client_1", 110.0, 10.0, False),
    ]


def test_a_server_is_back_with_its_next_round() -> None:
    turn: Event = event(45.0, 15.0, "server", "round", round=1, asked=2, updates=2)
    happened = trace(
        crash(10.0, "server"), recover(40.0, "server"), turn, train(41.0, 1.0, "client_0")
    )
    found = recovery_of_nodes(happened, scores(TWO))
    assert plain(found, "node", "value", "reached") == [("server", 20.0, True)]


def test_who_never_comes_back_has_no_recovery() -> None:
    assert recovery_of_nodes(trace(crash(10.0, "client_0")), scores(TWO)).empty
    assert recovery_of_nodes(trace(), scores(TWO)).empty


def test_a_score_is_back_when_it_is_as_good_as_before() -> None:
    # 0.5 at 60 s, the crash at 70 s, down to 0.25, back at 180 s.
    found = recovery_of_score(curve(0.0, 0.5, 0.25, 0.5, 0.75), 70.0)
    assert plain(found, "before", "drop", "value", "reached") == [(0.5, 0.25, 110.0, True)]


def test_a_score_that_first_rises_and_then_falls() -> None:
    found = recovery_of_score(curve(0.5, 0.75, 0.25, 0.5), 0.0)
    assert plain(found, "before", "drop", "value", "reached") == [(0.5, 0.25, 180.0, True)]


def test_a_loss_is_back_when_it_has_fallen() -> None:
    found = recovery_of_score(curve(1.0, 3.0, 1.0, metric="loss"), 0.0)
    assert plain(found, "before", "drop", "value", "reached") == [(1.0, 2.0, 120.0, True)]


def test_no_fall_takes_no_time_and_no_return_is_censored() -> None:
    frame = together(curve(0.5, 0.5, 0.75), curve(0.5, 0.25, 0.375, seed=1))
    found = recovery_of_score(frame, 0.0)
    assert plain(found, "drop", "value", "reached") == [(0.0, 0.0, True), (0.25, 120.0, False)]


def test_a_diverged_score_is_worse_than_any() -> None:
    frame = together(curve(0.5, math.nan, 0.5), curve(0.5, math.nan, math.nan, seed=1))
    found = recovery_of_score(frame, 0.0)
    assert plain(found, "value", "reached") == [(120.0, True), (120.0, False)]
    assert found["drop"].isna().all()


def test_without_a_look_before_or_after_nothing_is_known() -> None:
    frame = together(curve(0.5, 0.75), curve(math.nan, 0.75, seed=1))
    for crash_s in (-1.0, 60.0, math.nan):
        found = recovery_of_score(frame, crash_s)
        assert found[["drop", "value"]].isna().all(axis=None) and not found["reached"].any()
    found = recovery_of_score(frame, 0.0)
    assert found["reached"].tolist() == [True, False] and math.isnan(found["value"][1])
