"""The physics that a world is built with."""

import numpy as np

from sim.scenario.sections import _BLOCK as BLOCK
from sim.world.random_streams import Streams
from tests.sim.runs.test_common_random_numbers import described, ran


def test_latency_of_a_pair_is_the_later_nodes_draw_both_ways() -> None:
    clients = 2 * BLOCK + 10
    wiring = ran(described({}, clients, duration="1 s"), "fedavg").network.wiring
    draws = [Streams(0).stream("latency", name).random(i) for i, name in enumerate(wiring.names)]
    for later, one_way in enumerate(draws):
        expected = 0.02 + (0.15 - 0.02) * one_way
        assert np.array_equal(wiring.latency_s[later, :later], expected)
    assert wiring.symmetric
    assert np.array_equal(wiring.latency_s, wiring.latency_s.T)
    assert not wiring.latency_s.diagonal().any()
