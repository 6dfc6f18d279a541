"""FedAvg's rounds that close before all have reported, and what becomes of those who are late."""

import pytest

from sim.compute import ModelRef
from sim.protocols.fedavg import FedAvg
from sim.record.errors import Refusal
from sim.world.world import World
from tests.sim import tiny
from tests.sim.protocols.serving import crash, rounds, serving

EARLY = {"close_at": 0.5}
NEXT = {"late_updates": "next_round"}
# Client 1's first round takes 3.25 s, so that its first update is there at 7.25, and the second
# follows the order that it has at 8.25: trained at 10.5, there at 13.
SLOW = {"kind": "slowdown", "nodes": ["client_1"], "factor": 2.0, "at": "1.5 s", "lasts": "2 s"}


def averaged_with_the_late(world: World) -> ModelRef:
    """Client 0's second model and client 1's first one, by their samples."""
    lineage = world.lineage
    first = lineage.trained(lineage.initial(), 0, 0)
    fresh, late = lineage.trained(first, 0, 1), lineage.trained(lineage.initial(), 1, 0)
    return lineage.combined((fresh, late), (0.25, 0.75))


def test_round_closes_at_the_share_of_the_updates() -> None:
    # Client 0's update is there at 5.5; one model is averaged in 0.25 s.
    world, protocol = serving(settings=EARLY)
    tiny.run(world.clock, 3 * 5.75)
    assert tiny.events(world.trace, "round", "update_late")[:4] == [
        (0.0, 5.75, "server", "round", "", "round=0 asked=2 updates=1"),
        # Client 1's update is there at 6.25, before it has the next order.
        (6.25, 0.0, "server", "update_late", "client_1", "round=0"),
        (5.75, 5.75, "server", "round", "", "round=1 asked=2 updates=1"),
        (12.0, 0.0, "server", "update_late", "client_1", "round=1"),
    ]
    lineage, model = world.lineage, world.lineage.initial()
    for number in range(3):
        model = lineage.trained(model, 0, number)
    assert protocol.global_model is model


def test_late_update_is_averaged_into_the_next_round() -> None:
    # Client 0's second update is there at 11.25, as above. Two models are averaged: 0.5 s.
    world, protocol = serving(settings=EARLY | NEXT)
    tiny.run(world.clock, 11.75)
    assert tiny.events(world.trace, "round", "update_late") == [
        (0.0, 5.75, "server", "round", "", "round=0 asked=2 updates=1"),
        (6.25, 0.0, "server", "update_late", "client_1", "round=0"),
        (5.75, 6.0, "server", "round", "", "round=1 asked=2 updates=1"),
    ]
    assert protocol.global_model is averaged_with_the_late(world)


def test_fresh_update_of_the_same_client_wins() -> None:
    settings = NEXT | {"deadline": "6.5 s"}
    world, protocol = serving(settings=settings, faults={"slow": SLOW})
    tiny.run(world.clock, 13.5)
    assert tiny.events(world.trace, "round", "update_late") == [
        (0.0, 6.75, "server", "round", "", "round=0 asked=2 updates=1"),
        (7.25, 0.0, "server", "update_late", "client_1", "round=0"),
        (6.75, 6.75, "server", "round", "", "round=1 asked=2 updates=2"),
    ]
    lineage = world.lineage
    first = lineage.trained(lineage.initial(), 0, 0)
    fresh = lineage.trained(first, 0, 1), lineage.trained(first, 1, 1)
    assert protocol.global_model is lineage.combined(fresh, (0.25, 0.75))


def test_late_update_outlives_a_round_that_fails() -> None:
    # As above, but both clients crash at 9; client 0 is back at 9.5, which is known at 9.75, and
    # client 1 is suspected at 20.5 only. The round of 6.75 closes at its deadline with nothing;
    # that of 13.25 has one update of two.
    faults = {
        "slow": SLOW,
        "one": {"kind": "crash", "node": "client_0", "at": "9 s", "recovers_after": "0.5 s"},
        "other": {"kind": "crash", "node": "client_1", "at": "9 s"},
    }
    settings = NEXT | {"deadline": "6.5 s"}
    world, protocol = serving(settings=settings, faults=faults)
    tiny.run(world.clock, 20.25)
    assert tiny.events(world.trace, "round", "round_failed", "update_late")[1:] == [
        (7.25, 0.0, "server", "update_late", "client_1", "round=0"),
        (6.75, 6.5, "server", "round_failed", "", "round=1 asked=2 updates=0"),
        (13.25, 7.0, "server", "round", "", "round=1 asked=2 updates=1"),
    ]
    assert protocol.global_model is averaged_with_the_late(world)


def test_update_that_is_sent_twice_counts_once() -> None:
    # Client 1's update is there at 6.25, the word of it would be with it at 6.75. It crashes in
    # between, and sends it again at 6.75: there at 9.25, in the next round.
    blow = crash("client_1", "6.5 s", recovers_after="0.25 s")
    world, protocol = serving(settings=NEXT, faults=blow)
    tiny.run(world.clock, 20.0)
    assert (6.75, 2.5, "client_1", "transfer", "server", "") in tiny.events(world.trace)
    assert not tiny.events(world.trace, "update_late")
    assert [event[5] for event in tiny.events(world.trace, "round")] == [
        "round=0 asked=2 updates=2",
        "round=1 asked=2 updates=2",
    ]
    assert len(protocol.global_model.inputs) == 2


def test_update_in_the_checkpoint_counts_once_whoever_crashes() -> None:
    # Both updates are averaged at 6.5. Client 1 would hear at 6.75 that its own is there, but all
    # crash before; it sends it again, to a server that has it in the model that it read.
    blow = {"kind": "crash", "at": "6.625 s", "recovers_after": "1 s"}
    faults = {"one": {**blow, "node": "server"}, "other": {**blow, "node": "client_1"}}
    world, _ = serving(settings=NEXT, faults=faults, server={"aggregation_time": "0.125 s"})
    tiny.run(world.clock, 20.0)
    assert (7.625, 2.5, "client_1", "transfer", "server", "") in tiny.events(world.trace)
    assert not tiny.events(world.trace, "update_late")


def test_servers_crash_takes_the_late_updates_that_it_has() -> None:
    # Client 1's update comes at 6.25, before both crash at 7. The server is back at 8; what client
    # 0 has trained since comes late, too, at 11.25, and what it trains then, at 15.75, wins.
    faults = {
        "one": {"kind": "crash", "node": "server", "at": "7 s", "recovers_after": "1 s"},
        "other": {"kind": "crash", "node": "client_1", "at": "7 s"},
    }
    world, protocol = serving(settings=EARLY | NEXT, faults=faults)
    tiny.run(world.clock, 16.0)
    assert tiny.events(world.trace, "round", "update_late") == [
        (0.0, 5.75, "server", "round", "", "round=0 asked=2 updates=1"),
        (6.25, 0.0, "server", "update_late", "client_1", "round=0"),
        (11.25, 0.0, "server", "update_late", "client_0", "round=1"),
        (8.0, 8.0, "server", "round", "", "round=1 asked=2 updates=1"),
    ]
    lineage = world.lineage
    first = lineage.trained(lineage.initial(), 0, 0)
    assert protocol.global_model is lineage.trained(first, 0, 2)


def test_order_of_a_closed_round_is_not_sent_on() -> None:
    # Client 1's downlink takes 8 s for a model; the round closes at 5.5.
    world, _ = serving(settings=EARLY, links={"downlink": ["1024 B/s", "128 B/s"]})
    tiny.run(world.clock, 5.75)
    assert tiny.events(world.trace, "transfer_lost") == [
        (0.0, 5.5, "server", "transfer_lost", "client_1", "abandoned")
    ]


@pytest.mark.parametrize("late_updates", ["discard", "next_round"])
def test_update_of_a_closed_round_is_sent_on_only_where_it_counts(late_updates: str) -> None:
    # Client 1's uplink takes 8 s: its update would be there at 12.25; it has the next order at
    # 5.75 + 1.5.
    settings = EARLY | {"late_updates": late_updates}
    world, _ = serving(settings=settings, links={"uplink": ["512 B/s", "128 B/s"]})
    tiny.run(world.clock, 13.0)
    mine = [e for e in tiny.events(world.trace, "transfer", "transfer_lost") if e[2] == "client_1"]
    if late_updates == "discard":
        assert mine[0] == (3.75, 3.5, "client_1", "transfer_lost", "server", "abandoned")
        assert not tiny.events(world.trace, "update_late")
    else:
        assert mine == [(3.75, 8.5, "client_1", "transfer", "server", "")]
        assert [e[0] for e in tiny.events(world.trace, "update_late")] == [12.25]


@pytest.mark.parametrize(("share", "needed"), [(0.07, 7), (0.55, 55), (0.501, 51), (1.0, 100)])
def test_share_of_the_updates_is_not_rounded_up_by_an_error(share: float, needed: int) -> None:
    # 0.07 x 100 is 7.000000000000001.
    many, here = 100, [[0.0] * 101 for _ in range(101)]
    described = tiny.scenario(
        here,
        [1.0 + index / 128 for index in range(many)],
        {"fedavg": {"close_at": share, "minimum_fraction": 0.01}},
        server={"uplink": "1 GB/s", "downlink": "1 GB/s", "aggregation_time": "0 s"},
        links={"uplink": "1 GB/s", "downlink": "1 GB/s", "sharing": "none"},
    )
    world, _ = tiny.world(described, samples=[1] * many, steps=[1] * many)
    tiny.run(world.clock, 2.0)
    assert tiny.events(world.trace, "round")[0][5] == f"round=0 asked=100 updates={needed}"


def test_round_cannot_close_with_fewer_updates_than_it_needs() -> None:
    with pytest.raises(Refusal, match="closes rounds with fewer updates") as refused:
        FedAvg.model_validate({"close_at": 0.4}).check(unreliable=False)
    assert refused.value.path == ("close_at",)


def test_each_model_that_goes_in_takes_its_time() -> None:
    world, _ = serving(server={"aggregation_time": "2 s"})
    tiny.run(world.clock, 30.0)
    assert rounds(world)[0] == (0.0, 6.25 + 2 * 2.0)
