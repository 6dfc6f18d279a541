"""The physics that a world is built with."""

import itertools
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest

from sim.record.errors import ScenarioError
from sim.record.words import least_text
from sim.runs.build import Facts, build, check_timeouts, local_rounds
from sim.runs.data import Data
from sim.runs.plan import plan
from sim.runs.session import check_data
from sim.scenario import Scenario
from sim.world.random_streams import Streams
from tests.sim import tiny
from tests.sim.runs.test_common_random_numbers import described, ran


def test_latency_of_a_pair_is_its_own_draw_both_ways() -> None:
    world = described({}, 20, duration="1 s", failure_detection="perfect")
    network = ran(world, "fedavg").network
    found_s, numbers = tiny.latencies_s(network), network.numbers.tolist()
    for one, other in itertools.combinations(range(21), 2):
        luck = Streams(0).uniform("latency", numbers[one], numbers[other])
        assert found_s[one, other] == found_s[other, one] == 0.02 + (0.15 - 0.02) * luck
    assert network.wiring.latencies.is_symmetric
    assert not found_s.diagonal().any()


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


def test_many_local_rounds_are_told_before_the_clock_starts() -> None:
    told: list[str] = []
    check_data([tiny.scenario([[0.0]], [1e-5], {"local": {}})], told.append)
    assert told == [
        "caution: clients.step_time makes about 2e+06 local rounds in 16.7 min: a run may take "
        "minutes, or hours"
    ]


# Between clients 0.25 s one way, to and from the server 0.5 s. Client 1 is twice as fast.
PAIRS = [[0.0 if i == j else 0.5 if 3 in (i, j) else 0.25 for j in range(4)] for i in range(4)]
# A model of 1,024 B takes 1 s, from a client or to one; local rounds take 8, 4 and 8 s.
FACTS = Facts((100,) * 3, (4,) * 3, 300, 12, 256)
SERVER = {"uplink": "4096 B/s", "downlink": "4096 B/s", "aggregation_time": "0 s"}


def timed(protocols: dict[str, Any], **more: Any) -> Scenario:
    return tiny.scenario(PAIRS, [2.0, 1.0, 2.0], protocols, server=SERVER, **more)


@pytest.mark.parametrize(
    ("protocol", "setting", "least_s", "unknown_s"),
    [
        ("braintorrent", "ping_timeout", 0.5, 0.5),
        ("braintorrent", "transfer_timeout", 1.5, 0.5),
        ("fedavg", "transfer_timeout", 1.5, 0.5),
        ("fedavg", "deadline", 7.0, 1.0),
        ("gossip", "period", 1.25, 0.25),
        ("epidemic", "round_time", 5.25, 0.25),
        ("d_psgd", "push_timeout", 1.5, 0.5),
        ("swarm", "ack_timeout", 0.5, 0.5),
        ("cyclic", "ack_timeout", 0.5, 0.5),
        ("plexus", "ping_timeout", 0.5, 0.5),
    ],
)
def test_a_time_out_that_nothing_can_meet_is_refused(
    protocol: str, setting: str, least_s: float, unknown_s: float
) -> None:
    def check(seconds: float, facts: Callable[..., Facts] | None) -> None:
        check_timeouts(timed({protocol: {setting: f"{seconds} s"}}), facts)

    for least, facts in ((least_s, lambda *run: FACTS), (unknown_s, None)):
        check(least, facts)
        with pytest.raises(ScenarioError) as mistake:
            check(least - 0.001, facts)
        text = str(mistake.value)
        assert f": protocols.{protocol}.{setting}: is shorter than any " in text
        assert text.endswith(f"(seed 0); allowed: at least {least_text(least)}")


def test_a_time_out_allows_for_what_the_transport_takes() -> None:
    # Asked for in 0.25 s, its first byte is there after 3 * 0.25 s, and 1 s of bytes takes 2 s.
    tcp = {"kind": "tcp", "latency_factor": 3.0, "bandwidth_factor": 0.5}
    links = {"uplink": "1024 B/s", "downlink": "1024 B/s", "transport": tcp}
    for least, wrong in (("3 s", False), ("2.999 s", True)):
        scenario = timed({"braintorrent": {"transfer_timeout": least}}, links=links)
        with pytest.raises(ScenarioError, match="3 s") if wrong else nullcontext():
            check_timeouts(scenario, lambda *run: FACTS)


def test_a_silence_that_is_shorter_than_a_round_trip_is_refused() -> None:
    links = {"uplink": "1024 B/s", "downlink": "1024 B/s"}
    check_timeouts(timed({"local": {}}, links=links | {"stall_timeout": "1 s"}))
    with pytest.raises(ScenarioError) as mistake:
        check_timeouts(timed({"local": {}}, links=links | {"stall_timeout": "999 ms"}))
    assert str(mistake.value).endswith(
        ": network.stall_timeout: is shorter than the longest round trip: an answer takes longer "
        "(seed 0); allowed: at least 1 s"
    )


def test_all_time_outs_that_nothing_meets_are_told_together() -> None:
    links = {"uplink": "1024 B/s", "downlink": "1024 B/s", "stall_timeout": "999 ms"}
    detection = {"kind": "heartbeat", "interval": "1 ms", "timeout": "2 ms"}
    hasty = timed({"local": {}}, links=links, failure_detection=detection)
    with pytest.raises(ScenarioError) as caught:
        check_timeouts(hasty)
    paths = [line.split(": ")[1] for line in str(caught.value).splitlines()]
    assert paths == ["failure_detection.timeout", "network.stall_timeout"]


def test_what_luck_can_meet_is_not_refused() -> None:
    clients = {"count": 3, "step_time": ["2 s", "1 s", "2 s"], "round_jitter": 0.1}
    scenario = timed({"fedavg": {"deadline": "6.5 s"}}, clients=clients)
    check_timeouts(scenario, lambda *run: FACTS)
    # Of a client that is alone nobody waits.
    alone = {"braintorrent": {"ping_timeout": "1 ms", "transfer_timeout": "1 ms"}, "pooled": {}}
    check_timeouts(tiny.scenario([[0.0]], [1.0], alone))


def test_it_is_refused_with_the_data_before_the_clock_starts() -> None:
    # The latencies allow it; 1,024 B/s don't.
    scenario = timed({"braintorrent": {"transfer_timeout": "2 s"}})
    check_timeouts(scenario)
    with pytest.raises(ScenarioError, match="transfer_timeout: is shorter than any transfer"):
        check_data([scenario], pytest.fail)


def test_a_fault_that_makes_no_sense_with_the_data_is_refused_before_the_clock_starts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    wear = {"kind": "churn", "nodes": "clients", "preset": "phones", "spread": 1.0}
    scenario = timed({"local": {}}, faults={"wear": wear | {"tied_to": "rarest_class"}})
    check_data([scenario], pytest.fail)
    # As a task has them that learns numbers.
    monkeypatch.setattr(Data, "facts", lambda *run: FACTS)
    with pytest.raises(ScenarioError, match="faults.wear.tied_to: the task has no classes"):
        check_data([scenario], pytest.fail)


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
    content["failure_detection"] = "perfect"  # Else so many heartbeats are waited for.
    content["clients"] |= {"step_time": drawn, "round_jitter": 10.0, "merge_time": longest}
    content["network"] |= {"latency": drawn, "uplink": "1e-3 B/s", "downlink": "1e-3 B/s"}
    scenario = Scenario.model_validate(content)
    for seed in range(5):
        facts = Facts((100,) * 2, (10**9,) * 2, 200, 10**9, 10**9)
        world, _ = build(scenario, protocol, seed, tiny.lineage(), facts)
        tiny.run(world.clock, 1e12)
        assert world.network.end() >= 0


def test_the_network_counts_who_is_down_as_nodes_know_it() -> None:
    life = {"kind": "churn", "mean_time_to_failure": "60 s", "mean_time_to_repair": "60 s"}
    faults = {
        "churn": {**life, "nodes": "all", "begins": "equilibrium"},
        "late": {"kind": "join", "nodes": "client_3", "at": "1 h"},
        "gone": {"kind": "leave", "nodes": "client_4", "at": "30 s"},
    }
    world = ran(described(faults, 12, duration="100 s"), "fedavg")
    assert 0 < world.network.up.zeros == sum(not node.up for node in world.nodes) < 13
