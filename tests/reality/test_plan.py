"""What real processes are told is what the simulator plays."""

import pytest

from sim.record.rows import TraceRow
from tests.reality.predict import predicted
from tests.reality.worlds import LARGE, World, every_world

WORLDS = every_world()


def world(name: str) -> World:
    return WORLDS[f"{name}:0"]


def test_the_goal_is_about_large_models_and_no_loss() -> None:
    assert world("standby:none").plan.size == pytest.approx(LARGE)
    of_one = [each for each in WORLDS.values() if each.protocol == "standby"]
    assert {each.name for each in of_one if not each.is_in_scope} == {"loss", "small"}


def test_another_seed_is_another_luck_in_the_same_world() -> None:
    first, second = (every_world(2)[f"gossip:none:{seed}"].plan for seed in (0, 1))
    assert first.rates == second.rates
    assert first.node("client_0")["train_s"] != second.node("client_0")["train_s"]


def lasted_s(rows: list[TraceRow], kind: str, node: str) -> list[float]:
    return [row.duration_s for row in rows if (row.kind, row.node) == (kind, node)]


def test_training_takes_as_long_on_both_sides() -> None:
    there = lasted_s(predicted(world("gossip:none"), "fluid"), "train", "client_3")
    told = world("gossip:none").plan.node("client_3")["train_s"]
    assert there == pytest.approx(told[: len(there)], abs=1e-9)
    assert world("fedavg:none").plan.node("server")["train_s"] == []


def test_whom_gossip_pushes_to_is_luck_that_both_sides_have() -> None:
    told = world("gossip:none").plan.node("client_2")["luck"]
    pushes = [
        row
        for row in predicted(world("gossip:none"), "fluid")
        if row.kind == "transfer" and row.node == "client_2"
    ]
    ticks = [round((row.time_s - told["push_phase_s"]) / 6.0) for row in pushes]
    assert [row.peer for row in pushes] == [told["push_to"][tick][0] for tick in ticks]


def test_who_aggregates_in_a_swarm_is_luck_that_both_sides_have() -> None:
    told = world("swarm:none").plan.node("client_0")["luck"]["aggregators"]
    merges = [row for row in predicted(world("swarm:none"), "fluid") if row.kind == "merge"]
    assert [row.node for row in merges] == [order[0] for order in told[: len(merges)]]


def test_a_ring_has_two_neighbours() -> None:
    assert world("d_psgd:none").plan.node("client_0")["neighbours"] == ["client_1", "client_4"]
    assert world("braintorrent:none").plan.node("client_0")["neighbours"] == []


@pytest.mark.parametrize(
    ("name", "acts"),
    [
        ("fedavg:server_crash", [(22.0, "crash", "server"), (42.0, "recover", "server")]),
        ("gossip:partition", [(22.0, "partition", ""), (34.0, "heal", "")]),
        ("gossip:slow_link", [(20.0, "degrade", "client_2"), (50.0, "degrade", "client_2")]),
    ],
)
def test_faults_strike_when_they_do_in_the_trace(
    name: str, acts: list[tuple[float, str, str]]
) -> None:
    kinds = {kind for _, kind, _ in acts}
    rows = predicted(world(name), "fluid")
    done = [act for act in world(name).plan.acts() if act.kind]
    assert [(act.at_s, act.kind, act.node) for act in done] == acts
    assert [(row.time_s, row.kind, row.node) for row in rows if row.kind in kinds] == acts
