"""Which of a model's metrics a node is told of; which way they point, and their bounds."""

import math

import pytest

from sim.record.metrics import class_metric, is_rising, limits, seen_from, site_metric

SCORES = {"dice": 0.5, site_metric("dice", 0): 0.7, site_metric("dice", 12): 0.3}
BY_CLASS = {
    "accuracy": 0.6,
    **{class_metric("accuracy", label): value for label, value in ((0, 1.0), (1, 0.5), (3, 0.2))},
}
"""Nothing of class 2 is held out."""
SHARES = ((0.25, 0.75, 0.0, 0.0), (0.25, 0.0, 0.5, 0.25), (0.0, 0.0, 1.0, 0.0))


def test_a_client_sees_its_own_site_beside_all() -> None:
    assert seen_from(0, SCORES) == {"dice": 0.5, "dice_own_site": 0.7}
    assert seen_from(12, SCORES) == {"dice": 0.5, "dice_own_site": 0.3}


def test_a_client_whose_site_holds_nothing_out_sees_all_sites_only() -> None:
    assert seen_from(1, SCORES) == {"dice": 0.5}


def test_a_node_that_is_nowhere_sees_all_sites_only() -> None:
    assert seen_from(None, SCORES) == {"dice": 0.5}
    assert seen_from(None, BY_CLASS, SHARES) == {"accuracy": 0.6}


def test_classes_weigh_as_much_as_in_the_client_s_own_data() -> None:
    assert seen_from(0, BY_CLASS, SHARES) == pytest.approx(
        {"accuracy": 0.6, "accuracy_own_site": 0.25 * 1.0 + 0.75 * 0.5}
    )


def test_a_class_that_is_not_held_out_is_left_out_and_the_others_make_up_for_it() -> None:
    assert seen_from(1, BY_CLASS, SHARES) == pytest.approx(
        {"accuracy": 0.6, "accuracy_own_site": (0.25 * 1.0 + 0.25 * 0.2) / 0.5}
    )
    assert seen_from(2, BY_CLASS, SHARES) == {"accuracy": 0.6}


def test_a_part_of_a_metric_points_its_way_and_has_its_bounds() -> None:
    bounds = {"dice": (0.0, 1.0), "dice_loss": (0.0, None)}
    assert limits("dice", bounds) == limits("dice_validation", bounds) == (0.0, 1.0)
    assert limits("dice_loss_own_site", bounds) == (0.0, math.inf)
    assert limits("dicey", bounds) == (-math.inf, math.inf)
    assert is_rising("dice_validation", {"dice": "higher", "dice_loss": "lower"})
    assert not is_rising("dice_loss@3", {"dice": "higher", "dice_loss": "lower"})
    with pytest.raises(KeyError, match="dicey"):
        is_rising("dicey", {"dice": "higher"})
