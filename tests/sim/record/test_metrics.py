"""Which of a model's metrics a node is told of."""

from sim.record.metrics import seen_from, site_metric

SCORES = {"dice": 0.5, site_metric("dice", 0): 0.7, site_metric("dice", 12): 0.3}


def test_a_client_sees_its_own_site_beside_all() -> None:
    assert seen_from(0, SCORES) == {"dice": 0.5, "dice_own_site": 0.7}
    assert seen_from(12, SCORES) == {"dice": 0.5, "dice_own_site": 0.3}


def test_a_client_whose_site_holds_nothing_out_sees_all_sites_only() -> None:
    assert seen_from(1, SCORES) == {"dice": 0.5}


def test_a_node_that_is_nowhere_sees_all_sites_only() -> None:
    assert seen_from(None, SCORES) == {"dice": 0.5}
