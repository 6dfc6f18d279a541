"""Over clients: means by hand, the way a metric points, survivors, and NaN that stays NaN."""

import math

import pandas as pd
import pytest

from analysis.metrics.clients import of_model, over_clients
from sim.record.errors import ResultError
from tests.analysis.made import plain, scores, together

NAN, INF = math.nan, math.inf


def test_mean_worst_best_and_spread() -> None:
    found = over_clients(
        scores({"client_0": [0.0, 0.25], "client_1": [0.5, 0.75], "aggregate": [0.9, 0.9]})
    )
    assert list(found) == [
        *("point", "protocol", "seed", "metric", "time_s", "clients", "up"),
        *("mean", "worst", "best", "std"),
    ]
    # The population's deviation: both clients are 0.25 from their mean.
    assert plain(found, "time_s", "clients", "up", "mean", "worst", "best", "std") == [
        (0.0, 2, 2, 0.25, 0.0, 0.5, 0.25),
        (60.0, 2, 2, 0.5, 0.25, 0.75, 0.25),
    ]


def test_the_worst_of_a_loss_is_the_largest() -> None:
    made = {"client_0": [3.0], "client_1": [1.0]}
    frame = together(scores(made, metric="loss"), scores(made))
    found = over_clients(frame)
    assert plain(found, "metric", "worst", "best") == [("accuracy", 1.0, 3.0), ("loss", 3.0, 1.0)]


def test_a_diverged_client_is_never_skipped() -> None:
    found = over_clients(scores({"client_0": [NAN, INF, 0.5], "client_1": [0.5, 0.5, 0.5]}))
    assert found["mean"].isna().tolist() == [True, True, False]
    assert found["std"].isna().tolist() == [True, True, False]
    assert math.isnan(found["worst"][0]) and math.isnan(found["best"][0])
    assert (found["worst"][1], found["best"][1]) == (0.5, INF)
    loss = over_clients(scores({"client_0": [INF], "client_1": [0.5]}, metric="loss"))
    assert loss["worst"][0] == INF


def test_survivors_are_those_up_at_the_look() -> None:
    made = scores(
        {"client_0": [0.2, 0.4, 0.4], "client_1": [0.6, 0.6, 0.6], "server": [1.0, 1.0, 1.0]},
        down=[("client_0", 1), ("client_0", 2), ("client_1", 2)],
    )
    found = over_clients(made, survivors=True)
    assert plain(found, "time_s", "clients", "up") == [(0.0, 2, 2), (60.0, 1, 1), (120.0, 0, 0)]
    assert found["mean"].head(2).tolist() == [0.4, 0.6]
    # Nobody is up: the look is there, without a score.
    assert found[["mean", "worst", "best", "std"]].iloc[2].isna().all()
    assert over_clients(made)["mean"].tolist() == pytest.approx([0.4, 0.5, 0.5])
    assert over_clients(made)["up"].tolist() == [2, 1, 0]


def test_nobody_ever_up_leaves_no_score() -> None:
    found = over_clients(scores({"client_0": [0.5]}, down=[("client_0", 0)]), survivors=True)
    assert plain(found, "clients", "up") == [(0, 0)] and found["mean"].isna().all()


def test_the_pooled_machine_is_a_client() -> None:
    found = over_clients(scores({"pooled": [0.5], "aggregate": [0.5]}))
    assert plain(found, "clients", "mean", "std") == [(1, 0.5, 0.0)]


def test_runs_are_apart_and_in_the_scenario_s_order() -> None:
    frame = together(
        scores({"client_0": [1.0]}, protocol="fedavg"),
        scores({"client_0": [2.0]}, seed=1),
        scores({"client_0": [3.0]}, point="low"),
        scores({"client_0": [4.0]}),
    )
    assert plain(over_clients(frame), "point", "protocol", "seed", "mean") == [
        ("high", "swarm", 0, 4.0),
        ("high", "swarm", 1, 2.0),
        ("high", "fedavg", 0, 1.0),
        ("low", "swarm", 0, 3.0),
    ]


def test_a_model_s_own_scores() -> None:
    frame = together(
        scores({"client_0": [0.1], "server": [0.5], "aggregate": [0.25]}, protocol="fedavg"),
        scores({"client_0": [0.1], "aggregate": [0.75]}),
    )
    assert plain(of_model(frame, "aggregate"), "protocol", "value") == [
        ("swarm", 0.75),
        ("fedavg", 0.25),
    ]
    assert plain(of_model(frame, "server"), "protocol", "value") == [("fedavg", 0.5)]
    with pytest.raises(ResultError, match="scores of pooled: has no rows"):
        of_model(frame, "pooled")


def test_frames_that_hold_no_answer_are_refused() -> None:
    made = scores({"aggregate": [0.5]})
    with pytest.raises(ResultError, match="scores: have no clients' rows"):
        over_clients(made)
    with pytest.raises(ResultError, match="scores: has no rows; allowed: those of at least one"):
        over_clients(made.iloc[:0])
    with pytest.raises(ResultError, match="scores: lacks the column up; it has point, protocol"):
        over_clients(made.drop(columns="up"))


def test_text_need_not_be_categorical() -> None:
    made = scores({"client_0": [0.5], "client_1": [1.0]})
    text = made.astype({name: "str" for name in ("point", "protocol", "node", "metric")})
    pd.testing.assert_frame_equal(
        over_clients(text), over_clients(made), check_dtype=False, check_categorical=False
    )
