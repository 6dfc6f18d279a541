"""A dot for each round, at what it took and what it was to take."""

import numpy as np

from tests.reality.picture import figure
from tests.reality.test_report import ONE


def test_a_round_is_where_it_was_and_where_it_was_to_be() -> None:
    made = figure({"gossip": {"fluid": ONE}, "swarm": {"fluid": ONE}}, "fluid")
    assert [axis.get_title() for axis in made.axes] == ["gossip: 2.0 % off", "swarm: 2.0 % off"]
    for axis in made.axes:
        dots, right = (np.asarray(line.get_xydata()) for line in axis.lines)
        np.testing.assert_allclose(dots, [[10.0, 10.2]])
        assert (right[:, 0] == right[:, 1]).all()
