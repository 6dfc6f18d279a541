"""Links that are cut or degraded by faults: when, whose, and as luck has it."""

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from sim.faults import FAULTS
from sim.faults.shared.rhythm import Rhythm
from sim.record.settings import Constant, Distribution, Exponential, Uniform
from sim.world import Streams, World
from tests.sim import tiny
from tests.sim.faults.test_faults import suffering

CUT = {"kind": "partition", "groups": [["client_0"]], "at": "2 s", "heals_after": "3 s"}
SLOW = {"kind": "degrade", "nodes": "clients", "bandwidth": 0.5, "at": "2 s", "lasts": "3 s"}
DRAWN = {"distribution": "exponential", "mean": "5 s"}


def constant(seconds: float) -> Constant:
    return Constant.model_validate({"distribution": "constant", "value": f"{seconds} s"})


def exponential(mean_s: float) -> Exponential:
    return Exponential.model_validate({"distribution": "exponential", "mean": f"{mean_s} s"})


def spans(rhythm: Rhythm, until_s: float = 100.0) -> list[tuple[float, float]]:
    return list(rhythm.windows(until_s, lambda purpose: Streams(0).stream(purpose)).spans)


def times(world: World, *kinds: str, node: str | None = None) -> list[tuple[float, str, str]]:
    """When what of these kinds happened to whom, and by what factor."""
    return [
        (row.time_s, row.node, f"{row.kind} {row.factor or ''}".strip())
        for row in world.trace.rows
        if row.kind in kinds and node in (None, row.node)
    ]


# -- rhythms ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rhythm", "expected"),
    [
        (Rhythm(2.0, constant(3.0)), [(2, 5)]),
        (Rhythm(2.0, constant(3.0), every=4.0), [(2, 5), (6, 9), (10, 13)]),
        (Rhythm(2.0, constant(3.0), every=4.0, times=2), [(2, 5), (6, 9)]),
        (Rhythm(2.0, constant(3.0), pauses=constant(1.0)), [(2, 5), (6, 9), (10, 13)]),
        (Rhythm(2.0, constant(3.0), pauses=constant(4.0), times=1), [(2, 5)]),
        (Rhythm(-6.0, constant(3.0), every=4.0, times=3), [(0, 1), (2, 5)]),
        (Rhythm(12.0, constant(3.0)), []),
    ],
)
def test_when_a_rhythm_acts_within_twelve_seconds(
    rhythm: Rhythm, expected: list[tuple[float, float]]
) -> None:
    assert spans(rhythm, 12.0) == expected
    assert all(rhythm.window_s[0] <= from_s for from_s, _ in expected if from_s)
    assert all(to_s <= rhythm.window_s[1] for _, to_s in expected)


def test_the_end_of_a_rhythm_is_known_where_it_is_fixed() -> None:
    assert Rhythm(2.0, constant(3.0), every=4.0, times=3).window_s == (2.0, 13.0)
    for endless in (
        Rhythm(2.0, exponential(3.0)),
        Rhythm(2.0, constant(3.0), every=4.0),
        Rhythm(2.0, constant(3.0), pauses=exponential(3.0), times=2),
    ):
        assert endless.window_s == (2.0, math.inf)


def test_drawn_spans_and_pauses_are_as_long_as_their_laws_say() -> None:
    found = np.array(spans(Rhythm(0.0, exponential(2.0), pauses=exponential(6.0)), 20_000.0))
    lasts, pauses = found[:, 1] - found[:, 0], found[1:, 0] - found[:-1, 1]
    assert len(found) == pytest.approx(2500, rel=0.1)
    # Three standard deviations of the mean of 2,500 exponential times.
    assert lasts.mean() == pytest.approx(2.0, rel=0.06)
    assert pauses.mean() == pytest.approx(6.0, rel=0.06)
    assert abs(np.corrcoef(lasts[:-1], pauses)[0, 1]) < 0.06


@pytest.mark.parametrize("shorter", ["lasts", "pauses"])
def test_a_shorter_scale_brings_each_beginning_no_later(shorter: str) -> None:
    rhythm = Rhythm(1.0, exponential(4.0), pauses=exponential(8.0))
    one = spans(rhythm, 1000.0)
    scaled = {"lasts": replace(rhythm, lasts=exponential(2.0))}
    scaled["pauses"] = replace(rhythm, pauses=exponential(2.0))
    other = spans(scaled[shorter], 1000.0)
    assert len(other) > len(one) > 50
    for (from_s, to_s), (sooner_s, over_s) in zip(one, other, strict=False):
        assert sooner_s <= from_s and over_s <= to_s
    if shorter == "pauses":  # What isn't named stays, but for rounding.
        lasts = [[to_s - from_s for from_s, to_s in each[:50]] for each in (one, other)]
        assert lasts[0] == pytest.approx(lasts[1])


def test_what_is_drawn_may_touch_and_never_overlaps() -> None:
    law = Uniform.model_validate({"distribution": "uniform", "low": "0 s", "high": "1 s"})
    found = spans(Rhythm(0.0, law, every=1.25, times=40))
    assert len(found) == 40
    assert all(to_s <= next_s for (_, to_s), (next_s, _) in pairwise(found))


@pytest.mark.parametrize(
    ("lasts", "more", "expected"),
    [
        (constant(3.0), {}, 2),
        (constant(3.0), {"every": 4.0}, 2 * 251),
        (constant(3.0), {"every": 4.0, "times": 5}, 10),
        (constant(3.0), {"pauses": constant(7.0)}, 2 * 101),
        (exponential(1.0), {"pauses": exponential(4.0)}, 2 * 201),
    ],
)
def test_how_often_it_comes_is_foreseen(
    lasts: Distribution, more: dict[str, Any], expected: int
) -> None:
    assert Rhythm(0.0, lasts, **more).events(1000.0) == pytest.approx(expected, rel=0.1)


# -- partitions ------------------------------------------------------------------------------------


def test_a_partition_that_comes_again() -> None:
    world = suffering({"cut": CUT | {"every": "4 s", "times": 2}})
    tiny.run(world.clock, 50.0)
    assert times(world, "partition", "heal") == [
        (2.0, "", "partition"), (5.0, "", "heal"), (6.0, "", "partition"), (9.0, "", "heal")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("direction", "of_it", "of_others"),
    [("both", True, True), ("out", True, False), ("in", False, True)],
)
def test_a_partition_of_one_way_misleads_one_side(
    direction: str, of_it: bool, of_others: bool
) -> None:
    world = suffering({"cut": CUT | {"heals_after": "60 s", "direction": direction}})
    tiny.run(world.clock, 40.0)
    detector = world.detector
    for observer, peer, believes in ((1, 0, of_it), (0, 1, of_others), (1, 2, False)):
        assert detector.suspects(observer, np.array([peer])).tolist() == [believes]


def test_a_random_partition_is_the_same_whatever_else_there_is() -> None:
    random = CUT | {"heals_after": DRAWN, "pauses": DRAWN}

    def cuts(name: str, faults: dict[str, Any], protocol: str = "local") -> list[float]:
        world = suffering(faults, protocol)
        tiny.run(world.clock, 200.0)
        return [
            row.time_s for row in world.trace.rows
            if row.kind in ("partition", "heal") and row.cause == name
        ]  # fmt: skip

    alone = cuts("cut", {"cut": random})
    assert len(alone) > 20
    others = {"once": CUT | {"groups": [["client_2"]]}, "two": random | {"groups": [["client_1"]]}}
    assert cuts("named", others | {"named": random}, "braintorrent") == alone
    # A second one of the same groups, another seed, and other groups draw something else.
    both = {"cut": random, "again": random, "seeded": random | {"seed": 1}} | others
    assert cuts("cut", both) == alone
    assert len({tuple(cuts(name, both)) for name in ("cut", "again", "seeded", "two")}) == 4


# -- degraded links --------------------------------------------------------------------------------


def test_degraded_links_are_told_of_each_node() -> None:
    world = suffering({"slow": SLOW | {"nodes": ["client_0", "client_2"], "bandwidth": 0.25}})
    tiny.run(world.clock, 50.0)
    assert tiny.events(world.trace, "degrade") == [
        (2.0, 0.0, "client_0", "degrade", "", "cause=slow factor=4.0"),
        (2.0, 0.0, "client_2", "degrade", "", "cause=slow factor=4.0"),
        (5.0, 0.0, "client_0", "degrade", "", "cause=slow factor=1.0"),
        (5.0, 0.0, "client_2", "degrade", "", "cause=slow factor=1.0"),
    ]


def test_models_take_longer_through_degraded_links() -> None:
    # FedAvg's models of 1024 B flow from 0.25 on at 2048/3 B/s each, until 1.75. Where client 0
    # gets 256 B/s of its 1024, the others have 896 B/s each.
    slow = SLOW | {"nodes": "client_0", "bandwidth": 0.25, "at": "0 s", "lasts": "9 s"}
    others_s = 0.25 + 1024 / 896
    for faults, expected_s in (({}, [1.75] * 3), ({"slow": slow}, [4.25, others_s, others_s])):
        world = suffering(faults, "fedavg")
        tiny.run(world.clock, 5.0)
        rows = [row for row in world.trace.rows if row.kind == "transfer" and row.time_s == 0]
        ends_s = {row.peer: row.duration_s for row in rows}
        assert [ends_s[f"client_{i}"] for i in range(3)] == pytest.approx(expected_s)


def test_links_that_are_slow_at_night_where_a_node_stands() -> None:
    # The run begins at 22:00 of client 0, 2:00 of client 1, and 7:00 of client 2; night is from
    # 23:00 to 5:00.
    night = {"kind": "degrade", "nodes": "clients", "extra_latency": "1 s", "lasts": "6 h"}
    zones = {"east": "2 h", "far": "7 h"}
    described = tiny.scenario(
        np.zeros((3, 3)).tolist(), [1.0] * 3, {"local": {}}, duration="50 h",
        faults={"night": night | {"at_local_time": "23 h"}},
    ).with_settings(
        {"clients.local_time": "22 h"}
        | {
            f"clients.groups.{name}": {"nodes": [f"client_{number}"], "local_time": time}
            for number, (name, time) in enumerate(zones.items(), start=1)
        }
    )  # fmt: skip
    world, _ = tiny.world(described, samples=[100] * 3, steps=[10_000] * 3)
    tiny.run(world.clock, described.duration)
    hours = {
        f"client_{i}": [row.time_s / 3600 for row in world.trace.rows
                        if row.kind == "degrade" and row.node == f"client_{i}"]
        for i in range(3)
    }  # fmt: skip
    assert hours == {
        "client_0": [1.0, 7.0, 25.0, 31.0, 49.0],
        "client_1": [0.0, 3.0, 21.0, 27.0, 45.0],
        "client_2": [16.0, 22.0, 40.0, 46.0],
    }


def test_links_that_fail_at_random_do_so_each_on_its_own() -> None:
    random = SLOW | {"lasts": DRAWN, "pauses": DRAWN}
    alone, other = (suffering({name: random}) for name in ("slow", "another"))
    more = suffering({"slow": random, "fixed": SLOW, "again": random}, "braintorrent", clients=4)
    for world in (alone, other, more):
        tiny.run(world.clock, 150.0)
    of = {
        node: [time_s for time_s, _, _ in times(alone, "degrade", node=node)]
        for node in ("client_0", "client_1")
    }
    assert of["client_0"][1:] != of["client_1"][1:] and len(of["client_0"]) > 15
    for node, found in of.items():
        assert [time_s for time_s, _, _ in times(other, "degrade", node=node)] == found
        assert found == [
            row.time_s for row in more.trace.rows if row.node == node and row.cause == "slow"
        ]


def test_whom_degraded_links_strike_and_when() -> None:
    slow = FAULTS["degrade"].model_validate(SLOW)
    assert slow.window_s == (2.0, 5.0) and slow.strikes(("client_0", "server")) == ["client_0"]
    assert slow.events(100.0, ("client_0", "client_1", "server")) == 4
    daily = {name: value for name, value in SLOW.items() if name != "at"} | {"at_local_time": "8 h"}
    assert FAULTS["degrade"].model_validate(daily).window_s == (0.0, math.inf)
