"""Regions: who stands where, and what of links and times of day follows from that."""

import itertools
import math
from collections import Counter
from pathlib import Path
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest

from sim.record.errors import ScenarioError
from sim.record.rows import client_name
from sim.runs.build import Facts, build
from sim.scenario import Scenario, dump, grid, load
from sim.scenario.regions import TABLES
from sim.scenario.regions.table import one_way_s
from sim.world import Machine, Streams, World
from tests.sim import tiny

MBIT = 1e6 / 8
HERE_AND_THERE = {
    "here": {
        "latency": {"here": "10 ms", "there": "80 ms"},
        "uplink": "8 Mbit/s",
        "downlink": "16 Mbit/s",
        "utc_offset": "-3 h",
    },
    "there": {
        "latency": {"here": "90 ms", "there": "20 ms"},
        "uplink": "4 Mbit/s",
        "downlink": "40 Mbit/s",
        "utc_offset": "10 h",
    },
}
CSV = """\
region, here,  there, uplink,   downlink,  utc_offset
here,   10 ms, 80 ms, 8 Mbit/s, 16 Mbit/s, -3 h

there,  90 ms, 20 ms, 4 Mbit/s, 40 Mbit/s, 10 h
"""
CONTINENTS = "{north_america: 0.5, europe: 0.25, japan: 0.25}"


def scenario(count: int = 4, **changes: Any) -> Scenario:
    """A world in regions; `network` and `regions` in `changes` are added to what it says there."""
    regions = {"table": HERE_AND_THERE, "clients": "here", "server": "there"}
    network = {"regions": regions | changes.pop("regions", {}), **changes.pop("network", {})}
    return Scenario(
        **{
            "name": "regions",
            "duration": "10 min",
            "seeds": [0],
            "task": {"name": "digits", "partition": "iid"},
            "model": "mlp",
            "training": {"learning_rate": 0.1, "batch_size": 32, "local_epochs": 1},
            "clients": {"count": count, "step_time": "1 s"},
            "network": network,
            "server": {"uplink": "1 MB/s", "downlink": "1 MB/s", "aggregation_time": "0 s"},
            "evaluation": {"every": "1 min"},
            "protocols": {"fedavg": {"deadline": "1 min"}, "pooled": {}},
            **changes,
        }
    )


def world(described: Scenario, seed: int = 0, protocol: str = "fedavg") -> World:
    count = described.clients.count
    facts = Facts((1,) * count, (1,) * count, count, count, 256)
    return build(described, protocol, seed, tiny.lineage(), facts)[0]


def machines(described: Scenario) -> list[Machine]:
    return [node.machine for node in world(described).nodes]


def standing(described: Scenario, seed: int = 0) -> dict[str, str]:
    streams = Streams(seed)
    return dict(described.network.standing(described.clients, described.node_names, streams))


# -- tables ----------------------------------------------------------------------------------------


def test_the_tables_have_what_was_published() -> None:
    simblock, cloud = TABLES["simblock2019"].regions, TABLES["cloud2024"].regions
    known_s = one_way_s(simblock)
    assert known_s.shape == (6, 6) and (known_s == known_s.T).all()
    assert simblock["north_america"].latency["australia"] == 0.189
    assert simblock["japan"].latency["japan"] == 0.012
    assert (simblock["europe"].uplink, simblock["europe"].downlink) == (20.7 * MBIT, 40 * MBIT)
    # Half of a round trip, and nothing that wasn't measured.
    assert cloud["dallas"].latency["frankfurt"] == 0.0615
    assert cloud["tokyo"].latency == {"tokyo": 0.001}
    pairs = int(np.isfinite(one_way_s(cloud)).sum())
    assert pairs == 2 * 11 + 8
    four, three = ["dallas", "frankfurt", "sao_paulo", "sydney"], ["dallas", "frankfurt", "tokyo"]
    for clique in (four, three):
        assert np.isfinite(one_way_s({name: cloud[name] for name in clique})).all()


def test_a_csv_file_is_the_same_as_what_is_written_out(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(CSV, encoding="utf-8")
    path = tmp_path / "scenario.yaml"
    path.write_text(dump(scenario()), encoding="utf-8")
    read = load(path, ["network.regions.table=table.csv"])
    assert read == load(path) == scenario()
    # What is kept of it needs no file any longer.
    path.write_text(dump(read), encoding="utf-8")
    (tmp_path / "table.csv").unlink()
    assert load(path) == read


def test_a_sweep_and_with_settings_may_change_them(tmp_path: Path) -> None:
    by_name = ["network.regions.table=simblock2019", f"network.regions.clients={CONTINENTS}"]
    (tmp_path / "table.csv").write_text(CSV, encoding="utf-8")
    path = tmp_path / "scenario.yaml"
    named = {"table": "simblock2019", "clients": "japan", "server": "japan"}
    path.write_text(dump(scenario(regions=named)), encoding="utf-8")
    swept = grid(str(path), ["sweep={network.regions.server: [japan, europe]}", by_name[1]])
    servers = [point.scenario.network.regions for point in swept.points]
    assert [one and one.server for one in servers] == ["japan", "europe"]
    changed = scenario().with_settings({"network.regions.server": "here"})
    assert standing(changed)["server"] == "here"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "table.csv:1:1: network.regions.table: has no header of different names"),
        ("region,a,a\n", "table.csv:1:1: network.regions.table: has no header of different names"),
        ("region,here\nhere\n", "table.csv:2:1: network.regions.table: has 1 cells; allowed: 2 in"),
        ("region,here\nhere,1 s\nhere,1 s\n", "table.csv:3:1: network.regions.table: 'here' is th"),
        ("region,here\nhere,9\n", "table.csv:2:6: network.regions.table.here.latency.here: '9' ne"),
        ("region,here,is\nhere,1 s,2 s\n", "table.csv:2:10: network.regions.table.here.latency.is"),
        ("region,here,uplink\nhere,1 s,2\n", "table.csv:2:10: network.regions.table.here.uplink: "),
        ("region,a b\na b,1 s\n", "table.csv:2:1: network.regions.table.a b: "),
        ("region,here\n", "network.regions.table: is too short; allowed: at least one entry"),
    ],
)
def test_a_mistake_in_a_file_is_told_where_it_is(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text(text, encoding="utf-8")
    path = tmp_path / "scenario.yaml"
    path.write_text(dump(scenario(regions={"server": "here"})), encoding="utf-8")
    with pytest.raises(ScenarioError) as caught:
        load(path, ["network.regions.table=table.csv"])
    assert message in str(caught.value).splitlines()[0]


# -- who stands where ------------------------------------------------------------------------------


def test_a_client_draws_its_region_by_the_shares_whoever_else_is_there() -> None:
    shares = {"table": "simblock2019", "clients": {"europe": 0.7, "japan": 0.3}, "server": "japan"}
    few, many = (standing(scenario(count, regions=shares)) for count in (50, 5000))
    assert few == {name: many[name] for name in few}
    found = Counter(many[client_name(i)] for i in range(5000))
    assert abs(found["europe"] - 3500) < 4 * math.sqrt(5000 * 0.7 * 0.3)
    assert found["europe"] + found["japan"] == 5000
    assert standing(scenario(50, regions=shares), seed=1) != few


def test_a_larger_share_takes_clients_from_the_next_region_alone() -> None:
    def drawn(europe: float) -> list[str]:
        shares = {"europe": europe, "japan": 1 - europe}
        regions = {"table": "simblock2019", "clients": shares, "server": "japan"}
        return list(standing(scenario(200, regions=regions)).values())

    moved = Counter(zip(drawn(0.4), drawn(0.6), strict=True))
    assert moved["japan", "europe"] > 20 and moved["europe", "japan"] == 0


def test_a_list_a_group_and_a_standby_have_their_own() -> None:
    protocols = {"fedavg": {"deadline": "1 min", "standbys": 2}}
    clients = {"count": 3, "step_time": "1 s", "groups": {"far": {"count": 1, "region": "there"}}}
    listed = {"clients": ["here", "here", "there"], "standbys": ["here", "there"]}
    assert standing(scenario(clients=clients, regions=listed, protocols=protocols)) == {
        "client_0": "there",
        "client_1": "here",
        "client_2": "there",
        "server": "there",
        "standby_1": "here",
        "standby_2": "there",
    }
    beside = standing(scenario(2, protocols=protocols))
    assert beside["standby_2"] == beside["server"] == "there"
    # With a region for each group nobody else needs one.
    groups = {name: {"count": 2, "region": name} for name in HERE_AND_THERE}
    everybody = {"count": 4, "step_time": "1 s", "groups": groups}
    places = standing(scenario(clients=everybody, regions={"clients": None}))
    assert list(places.values()) == ["here", "here", "there", "there", "there"]


# -- what follows ----------------------------------------------------------------------------------


def test_latencies_are_those_of_the_table_row_to_column() -> None:
    network = world(scenario(3, regions={"clients": ["here", "there", "here"]})).network
    assert tiny.latencies_s(network).tolist() == [
        [0.0, 0.08, 0.01, 0.08],
        [0.09, 0.0, 0.09, 0.02],
        [0.01, 0.08, 0.0, 0.08],
        [0.09, 0.02, 0.09, 0.0],
    ]
    assert not network.wiring.latencies.is_symmetric
    same = world(scenario(2, regions={"server": "here"}), protocol="pooled").network
    assert tiny.latencies_s(same).tolist() == [[0.0]]


def test_a_pairs_factor_is_its_own_draw_stretched_by_the_spread() -> None:
    named = {"table": "simblock2019", "clients": "japan", "server": "australia"}
    for spread in (0.0, 0.1, 0.4):
        network = world(scenario(6, regions=named | {"spread": spread})).network
        found_s, numbers = tiny.latencies_s(network), network.numbers.tolist()
        assert network.wiring.latencies.is_symmetric and np.array_equal(found_s, found_s.T)
        for one, other in itertools.combinations(range(7), 2):
            luck = Streams(0).uniform("latency", numbers[one], numbers[other])
            median_s = 0.126 if other == 6 else 0.012
            expected_s = median_s * math.exp(spread * NormalDist().inv_cdf(luck))
            assert found_s[one, other] == pytest.approx(expected_s, rel=1e-9)


def test_bandwidths_follow_unless_the_network_or_a_group_says_them() -> None:
    listed = {"clients": ["here", "there", "here", "there"]}
    groups = {"own": {"nodes": "client_3", "uplink": "1 Mbit/s"}}
    clients = {"count": 4, "step_time": "1 s", "groups": groups}
    found = machines(scenario(clients=clients, regions=listed))
    assert [one.uplink / MBIT for one in found] == [8, 4, 8, 1, 8]  # The server's is its own.
    assert [one.downlink / MBIT for one in found] == [16, 40, 16, 40, 8]
    given = {"uplink": "2 Mbit/s", "latency": "5 ms"}
    said = scenario(clients=clients, regions=listed, network=given)
    assert [one.uplink / MBIT for one in machines(said)] == [2, 2, 2, 1, 8]
    assert [one.downlink / MBIT for one in machines(said)] == [16, 40, 16, 40, 8]
    assert set(np.unique(tiny.latencies_s(world(said).network))) == {0.0, 0.005}


def test_local_time_is_the_regions_unless_clients_have_their_own() -> None:
    listed = {"clients": ["here", "there", "here", "there"], "begins": "20 h"}
    groups = {"own": {"nodes": "client_3", "local_time": "1 h"}}
    clients = {"count": 4, "step_time": "1 s", "groups": groups}
    found = machines(scenario(clients=clients, regions=listed))
    assert [one.local_time_s / 3600 for one in found] == [17, 6, 17, 1, 6]
    own = clients | {"local_time": "7 h"}
    found = machines(scenario(clients=own, regions=listed))
    assert [one.local_time_s / 3600 for one in found] == [7, 7, 7, 1, 6]


def test_a_transfer_takes_what_its_ends_regions_give() -> None:
    # 1,024 B there: 80 ms and 8,192 bit at 8 Mbit/s; back: 90 ms and 8,192 bit at 4 Mbit/s.
    network = world(scenario(2, regions={"clients": ["here", "there"]})).network
    arrived: list[float] = []
    for one, other in ((0, 1), (1, 0)):
        network.send(one, other, 1024, delivered=lambda _: arrived.append(network.clock.now))
    tiny.run(network.clock, 0.2)
    assert arrived == pytest.approx([0.08 + 0.001024, 0.09 + 0.002048], rel=1e-12)


def test_what_regions_do_not_change_is_said() -> None:
    links = {"latency": "5 ms", "uplink": "1 MB/s", "downlink": "1 MB/s"}
    assert list(scenario(network=links).idle_settings()) == [
        "network.regions changes no link: network says latency, uplink, downlink itself"
    ]
    alone = scenario(server=None, protocols={"local": {}})
    assert list(alone.idle_settings()) == [
        "network.regions.server changes nothing: there is no server"
    ]
    assert list(scenario().idle_settings()) == []


def test_groups_stand_nowhere_without_regions() -> None:
    groups = {"far": {"count": 1, "region": "there"}}
    with pytest.raises(ScenarioError, match="far.region: there are no regions; allowed: a region"):
        load("no_faults", [f"clients.groups={groups}"])
    beyond = {"count": 2, "step_time": "1 s", "groups": {"far": {"count": 1, "region": "their"}}}
    with pytest.raises(ScenarioError, match="'their' is no region of the table, did you mean"):
        scenario(clients=beyond)
