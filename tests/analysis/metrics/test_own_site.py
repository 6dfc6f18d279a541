"""A client's model at home and elsewhere, at each one's last look."""

import math

import pytest

from analysis.metrics import at_own_site
from sim.record.errors import ResultError
from tests.analysis.made import plain, scores, together

ALL = {"client_0": [0.1, 0.5], "client_1": [0.1, 0.25], "aggregate": [0.1, 0.9]}
OWN = {"client_0": [0.9, 0.75], "client_1": [0.9, 0.0]}


def test_the_last_scores_side_by_side() -> None:
    both = together(scores(OWN, metric="dice_own_site"), scores(ALL, metric="dice"))
    found = at_own_site(both)
    columns = ["point", "protocol", "seed", "node", "own_site", "all_sites", "gap"]
    assert list(found) == columns
    assert plain(found, *columns[2:]) == [
        (0, "client_0", 0.75, 0.5, 0.25),
        (0, "client_1", 0.0, 0.25, -0.25),
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
