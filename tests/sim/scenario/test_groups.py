"""Groups of clients: who is in them, what they have of their own, and who names them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim.faults.partition import Partition
from sim.faults.slowdown import Slowdown
from sim.record.errors import ScenarioError
from sim.scenario import Scenario, dump, grid, load
from sim.scenario.groups import briefly
from sim.world import Streams, World
from tests.sim import tiny

SLOW = "clients.groups.slow={count: 2, step_time: 8 s}"


def members(*groups: str) -> dict[str, tuple[str, ...]]:
    overrides = [f"clients.groups.{group}" for group in groups]
    return {**load("no_faults", overrides).clients.members()}


def test_a_group_counts_the_first_clients_that_no_group_names() -> None:
    assert members("slow={count: 3}") == {"slow": ("client_0..client_2",)}
    assert members("one={count: 2}", "two={count: 3}", "far={nodes: [client_1, client_4]}") == {
        "one": ("client_0", "client_2"),
        "two": ("client_3", "client_5..client_6"),
        "far": ("client_1", "client_4"),
    }
    assert members("far={nodes: client_8..client_9}") == {"far": ("client_8..client_9",)}


def step_times(scenario: Scenario) -> dict[str, float]:
    seconds = scenario.clients.step_times(Streams(3).stream)
    return dict(zip(scenario.client_names, seconds.tolist(), strict=True))


def test_a_group_has_a_speed_of_its_own_and_moves_nobody_elses_draw() -> None:
    law = "clients.groups.slow.step_time={distribution: lognormal, median: 20 s, sigma: 0.6}"
    before = step_times(load("no_faults"))
    slower = step_times(load("no_faults", [SLOW, law]))
    for name, second in before.items():
        factor = 10.0 if name in ("client_0", "client_1") else 1.0  # The median is 2 s for all.
        assert slower[name] == pytest.approx(factor * second)
    constant = step_times(load("no_faults", [SLOW]))
    assert constant == before | {"client_0": 8.0, "client_1": 8.0}


def test_a_group_has_links_and_jitter_of_its_own() -> None:
    group = "{nodes: client_1, uplink: 8 bit/s, downlink: 16 bit/s, round_jitter: 0.5}"
    scenario = load("no_faults", ["clients.count=3", f"clients.groups.far={group}"])
    clients, network = scenario.clients, scenario.network
    both = network.uplink, network.downlink
    assert isinstance(both[0], float) and isinstance(both[1], float)
    assert clients.each("uplink", both[0]).tolist() == [both[0], 1.0, both[0]]
    assert clients.each("downlink", both[1]).tolist() == [both[1], 2.0, both[1]]
    assert clients.each("round_jitter", clients.round_jitter).tolist() == [0.0, 0.5, 0.0]
    assert clients.each("step_time", (1.0, 2.0, 3.0)).tolist() == [1.0, 2.0, 3.0]


def world(group: dict[str, Any]) -> World:
    """Three clients, some of them in the group `slow`, which is slowed down from 1 s to 2 s."""
    content = tiny.scenario([[0.0] * 3] * 3, [1.0] * 3, {"local": {}}).model_dump(mode="json")
    content["clients"]["groups"] = {"slow": group}
    drag = {"kind": "slowdown", "nodes": "slow", "factor": 2.0, "at": "1 s", "lasts": "1 s"}
    scenario = Scenario.model_validate(content | {"faults": {"drag": drag}})
    return tiny.world(scenario, samples=[8] * 3, steps=[2] * 3)[0]


def test_groups_are_in_the_world_and_faults_strike_them() -> None:
    played = world(
        {"nodes": "client_1", "step_time": "8 s", "uplink": "3 B/s", "round_jitter": 0.25}
    )
    machines = [node.machine for node in played.clients]
    assert [(one.step_s, one.uplink, one.jitter) for one in machines] == [
        (1.0, 1024.0, 0.0),
        (8.0, 3.0, 0.25),
        (1.0, 1024.0, 0.0),
    ]
    tiny.run(played.clock, 5.0)
    struck = [event[2] for event in tiny.events(played.trace, "slowdown")]
    assert struck == ["client_1", "client_1"]


def test_faults_name_groups_and_strike_their_clients() -> None:
    faults = (
        "faults.drag={kind: slowdown, nodes: [slow, client_5], factor: 3, at: 1 s, lasts: 1 s}",
        "faults.cut={kind: partition, groups: [[slow], [client_4..client_6, server]], at: 1 s, "
        "heals_after: 1 s}",
    )
    scenario = load("no_faults", [SLOW, *faults])
    drag, cut = scenario.acting_faults.values()
    assert isinstance(drag, Slowdown) and isinstance(cut, Partition)
    nodes = scenario.node_names
    assert list(drag.strikes(nodes)) == ["client_0", "client_1", "client_5"]
    assert cut._groups(nodes) == [1, 1, 0, 0, 2, 2, 2, 0, 0, 0, 2]
    assert dict(scenario.faults["drag"])["nodes"] == ("slow", "client_5")


def test_the_same_node_in_two_parts_of_a_partition_is_refused() -> None:
    cut = "{kind: partition, groups: [[slow], [client_1]], at: 1 s, heals_after: 1 s}"
    with pytest.raises(ScenarioError, match=r"faults\.cut\.groups: client_1 is in two groups"):
        load("no_faults", [SLOW, f"faults.cut={cut}"])


def test_groups_and_ranges_are_kept_as_they_were_written(tmp_path: Path) -> None:
    churn = "{kind: churn, nodes: %s, failure_rate: 1 / h, mean_time_to_repair: 1 s}"
    path = tmp_path / "scenario.yaml"
    for nodes in ("slow", "[slow, client_3..client_5]", "client_2", "client_2..client_3"):
        scenario = load("no_faults", [SLOW, f"faults.churn={churn % nodes}"])
        path.write_text(dump(scenario), encoding="utf-8")
        assert load(path) == scenario
        assert nodes.strip("[]") in dump(scenario)


def test_a_group_is_varied_by_its_path() -> None:
    vary = ["clients.groups.slow.step_time=4 s,8 s", "clients.groups.slow.count=1,2"]
    sweep = grid("no_faults", [SLOW], vary)
    assert sweep.units == {"clients.groups.slow.step_time": "s", "clients.groups.slow.count": ""}
    scenarios = [point.scenario for point in sweep.points]
    assert [step_times(one)["client_0"] for one in scenarios] == [4.0, 4.0, 8.0, 8.0]
    groups = [one.clients.members()["slow"] for one in scenarios]
    assert groups == [("client_0",), ("client_0..client_1",)] * 2


def test_many_clients_are_many_numbers_not_many_names() -> None:
    groups = "clients.groups={odd: {nodes: [client_1]}, half: {count: 50000}}"
    scenario = load("no_faults", ["clients.count=100000", groups])
    assert scenario.clients.members()["half"] == ("client_0", "client_2..client_50000")
    assert int(np.count_nonzero(scenario.clients.each("uplink", 1.0) == 1.0)) == 100_000


def test_nodes_are_told_in_few_words() -> None:
    assert briefly(["client_3"]) == "client_3"
    assert briefly(["client_0", "client_1", "client_2", "server"]) == "client_0..client_2, server"
    assert briefly([f"client_{number}" for number in range(0, 20, 2)]) == "10 nodes"


def test_a_common_cause_takes_a_group() -> None:
    power = "faults.power={kind: crash, nodes: [site, server], at: 1 min}"
    made = load("no_faults", ["clients.groups={site: {nodes: client_3..client_5}}", power])
    struck = ["client_3", "client_4", "client_5", "server"]
    assert made.acting_faults["power"].strikes(made.node_names) == struck
    assert list(made.idle()) == []
