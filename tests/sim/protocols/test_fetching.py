"""BrainTorrent with models in chunks, against times worked out by hand.

All train for a second, then one at a time merges: client 1, client 2, client 0. A model has 1024 B,
a chunk 256 B. Client 0's uplink carries 256 B/s, and a chunk of it takes a second; of the others'
it takes a quarter. Client 1 fetches from 1 to 5, trains until 6, and has client 0's model in
memory. Then client 2 pings, finds client 0 at version 1 and client 1 at version 2, and asks both.
"""

from typing import Any

import pytest

from braintorrent.testing import Played, play, scripted
from sim.protocols.braintorrent import Independent
from sim.protocols.shared.fetching import Copies, Fetch, Torrent
from sim.world.world import World
from tests.sim import tiny

LINKS = {"uplink": ["256 B/s", "1024 B/s", "1024 B/s"], "downlink": "8192 B/s"}


def swarm(until_s: float, detection: str = "perfect", **changes: Any) -> Played:
    settings = {"transfer": "chunks", "schedule": "random_initiator", **changes.pop("settings", {})}
    return play(
        "braintorrent",
        settings,
        until_s=until_s,
        round_s=[1.0, 1.0, 1.0],
        links=LINKS,
        failure_detection={"kind": detection},
        **changes,
    )


def came(played: Played, target: str, since_s: float = 6.0) -> list[tuple[float, str, int]]:
    """When each chunk arrived, from whom, and its bytes."""
    return sorted(
        (row.time_s + row.duration_s, row.node, row.bytes)
        for row in played.rows
        if row.kind == "transfer" and row.peer == target and row.time_s >= since_s
    )


def merges(played: Played, node: str) -> list[tuple[float, tuple[str, ...] | None]]:
    return [
        (row.time_s, row.peers) for row in played.rows if (row.kind, row.node) == ("merge", node)
    ]


def blow(node: str, at: str, **more: Any) -> dict[str, Any]:
    return {"faults": {"blow": {"kind": "crash", "node": node, "at": at, **more}}}


def test_second_holder_halves_the_time_of_a_fetch_from_a_slow_uplink() -> None:
    played = swarm(8.0)
    assert came(played, "client_1", 1.0)[-1] == (5.0, "client_0", 256)  # Four chunks, alone.
    # Client 1 sends its own model until 7, and then two chunks of client 0's: the fourth has come
    # when client 0's own second one has.
    assert came(played, "client_2") == [
        (6.25, "client_1", 256),
        (6.5, "client_1", 256),
        (6.75, "client_1", 256),
        (7.0, "client_0", 256),
        (7.0, "client_1", 256),
        (7.25, "client_1", 256),
        (7.5, "client_1", 256),
        (8.0, "client_0", 256),
    ]
    assert merges(played, "client_2") == [(8.0, ("client_0", "client_1"))]


def test_whole_models_come_from_their_owners_alone() -> None:
    played = swarm(10.0, settings={"transfer": "whole"})
    assert came(played, "client_2") == [(7.0, "client_1", 1024), (10.0, "client_0", 1024)]


def test_chunk_of_a_holder_that_crashes_comes_from_another() -> None:
    # At 7.125 client 1 has sent half of its first chunk of client 0's model. Client 0 sends all.
    played = swarm(10.0, **blow("client_1", "7.125 s"))
    assert [chunk[:2] for chunk in came(played, "client_2")[3:]] == [
        (7.0, "client_0"),
        (7.0, "client_1"),
        (8.0, "client_0"),
        (9.0, "client_0"),
        (10.0, "client_0"),
    ]
    assert merges(played, "client_2") == [(10.0, ("client_0", "client_1"))]


def test_chunks_of_an_owner_that_crashes_come_from_who_has_a_copy() -> None:
    played = swarm(8.0, **blow("client_0", "6.5 s"))
    assert [chunk for chunk in came(played, "client_2") if chunk[1] == "client_0"] == []
    assert merges(played, "client_2") == [(8.0, ("client_0", "client_1"))]


def test_silent_holder_is_waited_for_as_long_as_the_detector_or_the_stall_takes() -> None:
    # Heartbeats come at 5, and not again: client 1 is suspected at 20.
    played = swarm(24.0, detection="heartbeat", **blow("client_1", "7.125 s"))
    assert came(played, "client_2")[-1] == (20.0 + 1.0, "client_0", 256)
    # From 7.125 on nothing comes for 30 s.
    played = swarm(39.0, detection="none", **blow("client_1", "7.125 s"))
    assert came(played, "client_2")[-1] == (37.125 + 1.0, "client_0", 256)


def test_model_is_given_up_where_nobody_is_left_who_has_it() -> None:
    # Client 2's four chunks have come at 2; of client 0's none.
    played = swarm(2.0, **blow("client_0", "1.5 s"))
    assert merges(played, "client_1") == [(2.0, ("client_2",))]


def test_fetch_in_chunks_is_cut_short_as_a_whole() -> None:
    played = swarm(2.75, settings={"transfer_timeout": "1.75 s"})
    lost = [row for row in played.rows if row.kind == "transfer_lost"]
    assert [(row.node, row.time_s, row.duration_s, row.cause) for row in lost] == [
        ("client_0", 2.0, 0.75, "timeout")
    ]
    assert merges(played, "client_1") == [(2.75, ("client_2",))]


@pytest.mark.parametrize("schedule", ["independent", "random_initiator"])
def test_copies_are_in_memory_alone(schedule: str) -> None:
    played = swarm(5.0, settings={"schedule": schedule})
    world, running = played.world, played.running
    assert isinstance(running, Independent)
    holder, owner = world.clients[1], world.clients[0]
    running.copies.keep(holder, owner.index, owner.storage.model, 1)
    assert running.copies.of(holder, owner.index, 1) == (owner.storage.model, 1)
    holder.crash("blow")
    holder.recover("blow")
    tiny.run(world.clock, 5.0)
    assert running.copies.of(holder, owner.index, 1) is None
    assert running.copies.of(owner, owner.index, owner.version) is not None


def test_asker_that_crashes_asks_nobody_any_more() -> None:
    played = swarm(9.0, **blow("client_2", "6.125 s", recovers_after="0.25 s"))
    lost = [row for row in played.rows if row.kind == "transfer_lost"]
    assert [(row.node, row.cause) for row in lost] == [
        ("client_0", "receiver_down"), ("client_1", "receiver_down")
    ]  # fmt: skip
    assert {chunk[1] for chunk in came(played, "client_2", 6.125)} <= {"client_0", "client_1"}


@pytest.mark.parametrize(
    ("model_bytes", "chunks", "sizes"),
    [
        (1024, 4, [256, 256, 256, 256]),
        (1000, 3, [334, 334, 332]),
        (5, 4, [2, 2, 1]),
        (4, 9, [1, 1, 1, 1]),
    ],
)
def test_chunks_are_the_models_bytes(model_bytes: int, chunks: int, sizes: list[int]) -> None:
    torrent = Torrent.cut(1, model_bytes, chunks)
    assert torrent.missing == sizes
    assert sum(sizes) == torrent.left_bytes == model_bytes


# -- one fetch alone ---------------------------------------------------------------------------


def fetching(holders: list[int], version: int = 1) -> tuple[Fetch, Copies, World]:
    """Client 3 fetches client 0's model at time 0 from these; all others train for ever."""
    described = tiny.scenario(
        [[0.0] * 4] * 4,
        [1000.0] * 4,
        {"local": {}},
        links={"uplink": "256 B/s", "downlink": "1 GB/s"},
    )
    world, _ = tiny.world(described, samples=[1] * 4, steps=[1] * 4, streams=scripted())
    copies, owner = Copies(4), world.clients[0]
    owner.storage.rounds = 1
    for holder in holders:
        if holder:
            copies.keep(world.clients[holder], 0, owner.storage.model, 1)
    torrent = Torrent.cut(version, world.model_bytes, 4)
    offers = {holder: [0] for holder in holders}
    return Fetch(world, world.clients[3], copies, {0: torrent}, offers), copies, world


@pytest.mark.parametrize(("holders", "came_s"), [([0], 4.0), ([0, 1], 2.0), ([0, 1, 2], 2.0)])
def test_chunks_come_side_by_side(holders: list[int], came_s: float) -> None:
    fetch, copies, world = fetching(holders)
    tiny.run(world.clock, came_s - 0.25)
    assert copies.of(world.clients[3], 0, 1) is None
    tiny.run(world.clock, came_s)
    assert fetch.complete.processed
    assert fetch.arrived == {0: (world.clients[0].storage.model, 1)}
    assert copies.of(world.clients[3], 0, 1) == fetch.arrived[0]


def test_owner_that_trains_on_sends_the_rest_of_what_it_has_begun_to_send() -> None:
    fetch, _, world = fetching([0])
    owner = world.clients[0]
    sent = owner.storage.model
    tiny.run(world.clock, 1.5)
    owner.keep(world.lineage.trained(sent, 0, 0))
    tiny.run(world.clock, 4.0)
    assert fetch.arrived == {0: (sent, 1)}


def test_version_that_is_there_no_longer_is_refused_and_given_up() -> None:
    fetch, _, world = fetching([0, 1], version=2)
    tiny.run(world.clock, 0.0)
    assert not fetch.is_open and fetch.complete.triggered
    assert fetch.arrived == {} and world.network.tally.bytes_delivered == 0
    assert world.network.tally.delivered == 4  # Two asks, two refusals.
