"""Rounds are counted through every operation, and models told apart by what made them."""

from braintorrent.testing.counters import Counters


def test_rounds_go_through_every_operation_on_models() -> None:
    lineage = Counters(2)
    start = lineage.initial()
    one, two = lineage.trained(start, 0, 0), lineage.trained(start, 1, 0)
    mean = lineage.combined((one, two), (0.25, 0.75))
    beyond = lineage.combined((mean, start), (2.0, -1.0))
    way = lineage.direction((two, start, one), (2.0, -1.0, 0.5))
    square = lineage.stepped("yogi_square", (start, mean), (0.9, 0.1))
    stepped = lineage.stepped("adaptive_step", (start, mean, way, square), (0.1, 0.1))
    corrected = lineage.trained(stepped, 0, 1, way)
    assert {
        lineage.told(model): lineage.rounds(model).tolist()
        for model in (mean, beyond, way, square, stepped, corrected)
    } == {
        "average.0": [0.25, 0.75],
        "average.1": [0.5, 1.5],
        "direction.0": [0.5, 2.0],
        "yogi_square.0": [0.25, 0.75],
        "adaptive_step.0": [0.25, 0.75],
        "client_0.1": [1.25, 0.75],
    }
