"""The physics that a world is built with."""

from typing import Any

import numpy as np
import pytest

from sim.record.errors import ScenarioError
from sim.runs.build import Facts, build, local_rounds
from sim.runs.plan import plan
from sim.runs.session import check_data
from sim.scenario import Scenario
from sim.scenario.sections import _BLOCK as BLOCK
from sim.world.random_streams import Streams
from tests.sim import tiny
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


def test_local_rounds_are_foreseen_of_the_busiest_protocol() -> None:
    # Within 1,000 s client 0 does a round of 4 steps in 4 s, client 1 in 8 s; together, as one
    # machine of 1.5 s / 2 a step, 8 steps take 6 s.
    for protocols, rounds in (
        ({"pooled": {}}, 1000 / 6),
        ({"local": {}}, 250 + 125),
        ({"pooled": {}, "local": {}}, 250 + 125),
    ):
        scenario = tiny.scenario([[0.0] * 2] * 2, [1.0, 2.0], protocols)
        facts = Facts((100, 100), (4, 4), 200, 8, 256)
        assert local_rounds(scenario, 0, facts) == pytest.approx(rounds)


def test_more_local_rounds_than_can_be_played_are_refused_before_the_clock_starts() -> None:
    for start in (lambda one: check_data([one], pytest.fail), lambda one: plan([one], 0)):
        with pytest.raises(
            ScenarioError, match="step_time: about 2e\\+09 local rounds in 16.7 min"
        ):
            start(tiny.scenario([[0.0]], [1e-8], {"local": {}}))


@pytest.mark.parametrize("protocol", ["braintorrent", "fedavg", "local"])
def test_the_longest_and_the_widest_that_can_be_said_overflow_no_clock(protocol: str) -> None:
    # Everything at its bound at once, and time enough for some of it to happen.
    longest = "1e12 s"
    drawn = {"distribution": "lognormal", "median": longest, "sigma": 10.0}
    faults: dict[str, Any] = {
        "wear": {"kind": "churn", "nodes": "all", "failure_rate": "1e-12 / s"}
        | {"mean_time_to_repair": longest},
        "blow": {"kind": "crash", "node": "server", "at": longest, "recovers_after": longest},
        "drag": {"kind": "slowdown", "nodes": "all", "factor": 1e6, "at": "0 s", "lasts": longest},
        "cut": {"kind": "partition", "groups": [["server"]], "at": "1 s", "heals_after": longest},
    }
    settings = {"deadline": longest} if protocol == "fedavg" else {}
    content = described(faults, 2, protocols={protocol: settings}).model_dump(mode="json")
    content |= {"duration": longest, "evaluation": {"every": longest}}
    content["clients"] |= {"step_time": drawn, "round_jitter": 10.0, "merge_time": longest}
    content["network"] |= {"latency": drawn, "uplink": "1e-3 B/s", "downlink": "1e-3 B/s"}
    scenario = Scenario.model_validate(content)
    for seed in range(5):
        facts = Facts((100,) * 2, (10**9,) * 2, 200, 10**9, 10**9)
        world, _ = build(scenario, protocol, seed, tiny.lineage(), facts)
        tiny.run(world.clock, 1e12)
        assert world.network.end() >= 0
