"""The clients' scores by hand: means, survivors, NaN that stays NaN, fairness, lag, own sites."""

import math

import pandas as pd
import pytest

from analysis.metrics import at_own_site
from analysis.metrics.clients import fairness_over_time, of_model, over_clients, staleness_over_time
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


LIVES = {"client_0": [0.25, 0.75, 0.75], "client_1": [0.0, 0.25, 0.5], "client_2": [0.75] * 3}
ABSENT = [("client_1", 0), ("client_2", 1), *((f"client_{n}", 2) for n in range(3))]


def test_who_is_not_there_counts_for_nothing() -> None:
    """Client 1 joins, client 2 leaves, and in the end, when nobody is left, all count again."""
    made = scores(LIVES, absent=ABSENT, down=[("client_1", 1)], staleness=LIVES)
    found = over_clients(made)
    assert plain(found, "clients", "up", "mean", "worst")[:2] == [
        (2, 2, 0.5, 0.25),
        (2, 1, 0.5, 0.25),
    ]
    assert plain(found, "clients", "worst", "best")[2] == (3, 0.5, 0.75)
    assert plain(over_clients(made, survivors=True), "clients", "mean")[:2] == [(2, 0.5), (1, 0.75)]
    assert plain(fairness_over_time(made), "clients", "gap") == [(2, 0.5), (2, 0.5), (3, 0.25)]
    staleness = staleness_over_time(made)
    assert plain(staleness, "mean", "worst")[:2] == [(0.5, 0.75), (0.5, 0.75)]


def test_an_own_site_whose_client_has_left_is_marked() -> None:
    both = together(
        scores(OWN, metric="dice_own_site", absent=[("client_1", 1)]),
        scores(ALL, metric="dice", absent=[("client_1", 1)]),
    )
    assert plain(at_own_site(both), "node", "member") == [("client_0", True), ("client_1", False)]


@pytest.mark.parametrize("is_told", [True, False])
def test_two_stages_of_one_client_are_refused(is_told: bool) -> None:
    made = scores({"client_0": [0.0, 0.25], "aggregate": [0.5, 0.5]})
    both = together(made, made.assign(stage="trained"))
    both.attrs = made.attrs
    both = both if is_told else both.drop(columns="stage")
    said = r"frame: holds two stages; allowed: one, see Results.scores\(stage=...\)"
    for metric in (over_clients, fairness_over_time, staleness_over_time, at_own_site):
        with pytest.raises(ResultError, match=said):
            metric(both)
    with pytest.raises(ResultError, match=said):
        of_model(both, "client_0")


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


def jain(*values: float, metric: str = "accuracy") -> float:
    made = {f"client_{number}": [value] for number, value in enumerate(values)}
    return float(fairness_over_time(scores(made, metric=metric))["jain"].iloc[0])


def test_jain_s_index_is_between_one_nth_and_one() -> None:
    assert jain(0.25, 0.25, 0.25, 0.25) == 1.0
    assert jain(0.5, 0.0, 0.0, 0.0) == 0.25
    # (1 + 2 + 3)^2 / (3 (1 + 4 + 9))
    assert jain(1.0, 2.0, 3.0) == pytest.approx(36 / 42)
    assert jain(0.5) == 1.0


def test_where_the_index_is_not_defined() -> None:
    for values in ((0.0, 0.0), (-1.0, 1.0), (math.nan, 0.5), (math.inf, 0.5)):
        assert math.isnan(jain(*values))


def test_gap_and_spread_point_the_same_way_in_any_metric() -> None:
    made = {"client_0": [0.2, 0.5], "client_1": [0.6, 0.5], "server": [9.0, 9.0]}
    found = fairness_over_time(together(scores(made), scores(made, metric="loss")))
    assert plain(found, "metric", "time_s", "clients") == [
        ("accuracy", 0.0, 2),
        ("accuracy", 60.0, 2),
        ("loss", 0.0, 2),
        ("loss", 60.0, 2),
    ]
    assert found["gap"].tolist() == pytest.approx([0.4, 0.0, 0.4, 0.0])
    assert found["std"].tolist() == pytest.approx([0.2, 0.0, 0.2, 0.0])


SERIES = {"client_0": [0.0, 1.0], "client_1": [0.0, 3.0], "aggregate": [0.0, 2.0]}


def test_staleness_of_clients_at_each_look() -> None:
    made = scores(SERIES, staleness=SERIES)
    twice = together(made, scores(SERIES, staleness=SERIES, metric="loss"))
    for frame in (made, twice):
        found = staleness_over_time(frame)
        assert plain(found, "time_s", "mean", "worst", "std") == [
            (0.0, 0.0, 0.0, 0.0),
            (60.0, 2.0, 3.0, 1.0),
        ]
    assert list(found) == ["point", "protocol", "seed", "time_s", "mean", "worst", "std"]


def test_one_client_has_no_spread() -> None:
    found = staleness_over_time(scores({"client_0": [0.5]}, staleness={"client_0": [4.0]}))
    assert plain(found, "mean", "worst", "std") == [(4.0, 4.0, 0.0)]


ALL = {"client_0": [0.1, 0.5], "client_1": [0.1, 0.25], "aggregate": [0.1, 0.9]}
OWN = {"client_0": [0.9, 0.75], "client_1": [0.9, 0.0]}


def test_the_last_scores_side_by_side() -> None:
    both = together(scores(OWN, metric="dice_own_site"), scores(ALL, metric="dice"))
    found = at_own_site(both)
    columns = ["point", "protocol", "seed", "node", "member", "own_site", "all_sites", "gap"]
    assert list(found) == columns
    assert plain(found, *columns[2:]) == [
        (0, "client_0", True, 0.75, 0.5, 0.25),
        (0, "client_1", True, 0.0, 0.25, -0.25),
    ]
    assert plain(found, "protocol") == ["swarm", "swarm"]


def test_runs_are_kept_apart_and_who_has_no_site_has_no_row() -> None:
    pooled = scores({"pooled": [0.5]}, metric="dice", protocol="fedavg")
    runs = [
        scores({"client_0": [0.5 + seed]}, metric=metric, seed=seed)
        for seed in (1, 0)
        for metric in ("dice", "dice_own_site")
    ]
    found = at_own_site(together(pooled, *runs))
    assert plain(found, "protocol", "seed", "own_site", "gap") == [
        ("swarm", 0, 0.5, 0.0),
        ("swarm", 1, 1.5, 0.0),
    ]


def test_a_site_without_held_out_subjects_is_unknown() -> None:
    nothing = {"client_0": [math.nan]}
    both = together(
        scores(nothing, metric="dice_own_site"), scores({"client_0": [0.5]}, metric="dice")
    )
    assert at_own_site(both)["gap"].isna().tolist() == [True]


def test_scores_without_sites() -> None:
    with pytest.raises(ResultError, match="scores: have none of dice_own_site; allowed: results"):
        at_own_site(scores(ALL, metric="dice"))
    with pytest.raises(ResultError, match="scores: have none of x_own_site"):
        at_own_site(scores(ALL, metric="dice"), metric="x")
