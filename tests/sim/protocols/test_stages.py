"""A client's two models: what it received, and what training made of it, at each instant."""

import pytest

from sim.compute import ModelRef
from sim.protocols import Running
from sim.record.rows import RECEIVED, TRAINED
from sim.world.node import INCARNATION
from tests.sim import tiny
from tests.sim.protocols.merging import merging, of, until
from tests.sim.protocols.serving import crash, outage, serving


def seen(running: Running, node: str) -> tuple[ModelRef, ModelRef]:
    """(received, trained) of a client."""
    found = {each.stage: each.model for each in running.seen() if each.node == node}
    return found[RECEIVED], found[TRAINED]


def test_federated_client_has_received_the_newest_order_that_is_whole() -> None:
    world, protocol = serving()
    lineage, initial = world.lineage, world.lineage.initial()
    update = lineage.trained(initial, 0, 0)
    tiny.run(world.clock, 3.0)
    assert seen(protocol, "client_0") == (initial, initial)
    tiny.run(world.clock, 3.25)
    assert seen(protocol, "client_0") == (initial, update)
    tiny.run(world.clock, 7.75)
    average = protocol.global_model
    assert average is lineage.combined((update, lineage.trained(initial, 1, 0)), (0.25, 0.75))
    assert seen(protocol, "client_0") == (initial, update)
    # The order of 6.75 is there at 8, and trained at 10.
    tiny.run(world.clock, 8.0)
    assert seen(protocol, "client_0") == (average, update)
    tiny.run(world.clock, 10.0)
    assert seen(protocol, "client_0") == (average, lineage.trained(average, 0, 1))
    by_name = {each.node: each for each in protocol.seen() if each.stage == RECEIVED}
    assert by_name["server"].model is average
    # At 10.5 client 1 will be done.
    trained = seen(protocol, "client_0")[1], seen(protocol, "client_1")[1]
    assert by_name["aggregate"].model is lineage.combined(trained, (0.25, 0.75))


def test_order_that_comes_while_the_client_trains_is_received() -> None:
    # Client 1 trains for 64 s from 1.5 on; the order of 8.25 is there at 9.75.
    world, protocol = serving(step_s=(1.0, 64.0), settings={"deadline": "8 s"})
    tiny.run(world.clock, 9.75)
    initial = world.lineage.initial()
    assert seen(protocol, "client_1") == (protocol.global_model, initial)
    assert protocol.global_model is not initial


def test_serverless_client_has_received_its_last_merge() -> None:
    world, running = merging()
    lineage, initial = world.lineage, world.lineage.initial()
    first = tuple(lineage.trained(initial, client, 0) for client in range(3))
    tiny.run(world.clock, 8.0)
    assert seen(running, "client_0") == (initial, first[0])
    tiny.run(world.clock, 8.25)
    merged = lineage.combined(first, (0.25, 0.25, 0.5))
    assert seen(running, "client_0") == (merged, first[0])
    tiny.run(world.clock, 12.25)
    assert seen(running, "client_0") == (merged, lineage.trained(merged, 0, 1))


def test_who_found_nothing_newer_has_received_nothing() -> None:
    # Client 1 pings at 3, when nobody else has trained, and trains its own model on, to 8.
    world, running = merging()
    tiny.run(world.clock, 8.0)
    lineage, initial = world.lineage, world.lineage.initial()
    alone = lineage.trained(lineage.trained(initial, 1, 0), 1, 1)
    assert seen(running, "client_1") == (initial, alone)


def test_crash_between_merge_and_training_merges_again() -> None:
    # Merged at 8.25; it crashes at 9. At 10 it pings, and what it merges then is newer.
    world, running = merging(faults=outage("client_0", 9.0, 10.0))
    tiny.run(world.clock, 10.0)
    assert not world.clients[0].storage.merged
    received, trained = seen(running, "client_0")
    assert len(received.inputs) == 3
    assert trained is world.lineage.trained(world.lineage.initial(), 0, 0)
    until(world, lambda: seen(running, "client_0")[0] is not received)
    merges = of(world, "client_0", "merge")
    assert [event[5] for event in merges] == ["client_1 client_2"] * 2
    assert trained in seen(running, "client_0")[0].inputs


@pytest.mark.parametrize("loses_storage", [False, True])
def test_finished_rounds_count_for_good(loses_storage: bool) -> None:
    # Client 0 has finished one round at 4, and is back at 6.
    blow = crash("client_0", "5 s", recovers_after="1 s", loses_storage=loses_storage)
    world, running = merging(faults=blow)
    tiny.run(world.clock, 6.0)
    looks = [each for each in running.seen() if each.node == "client_0"]
    assert {(each.local_round, each.version) for each in looks} == {(1, 0 if loses_storage else 1)}
    assert world.clients[0].version == (INCARNATION if loses_storage else 1)


def test_client_that_lost_its_storage_lags_behind_by_all_server_rounds() -> None:
    # Two rounds are done at 13.5; the order of the third is with client 0 at 14.75.
    blow = crash("client_0", "15 s", recovers_after="50 s", loses_storage=True)
    world, protocol = serving(faults=blow)
    tiny.run(world.clock, 14.0)
    assert protocol.staleness() == [1.0, 1.0]
    tiny.run(world.clock, 14.875)
    assert protocol.staleness() == [0.0, 1.0]
    tiny.run(world.clock, 15.0)
    assert protocol.staleness() == [2.0, 0.0]
    assert seen(protocol, "client_0") == (world.lineage.initial(),) * 2


@pytest.mark.parametrize(("loses_storage", "left"), [(False, 2), (True, 0)])
def test_server_that_is_down_is_seen_with_its_checkpoint(loses_storage: bool, left: int) -> None:
    # Every second round is saved: of three that are done at 20.25 two are left, or none.
    blow = crash("server", "21 s", loses_storage=loses_storage)
    world, protocol = serving(server={"checkpoint_every": 2}, faults=blow)
    tiny.run(world.clock, 13.5)
    saved = protocol.global_model if left else world.lineage.initial()
    tiny.run(world.clock, 20.5)
    *_, server = protocol.seen()
    assert (server.local_round, server.model) == (3, protocol.global_model)
    tiny.run(world.clock, 21.0)
    *_, server = protocol.seen()
    assert (server.local_round, server.version, server.up) == (left, left, False)
    assert server.model is saved
