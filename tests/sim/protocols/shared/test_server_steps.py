"""FedAvg's server optimiser: what it remembers is part of the checkpoint, and of each replica."""

from typing import Any

import pytest

from sim.protocols.shared.server_optimizers import Memory, Momentum
from tests.sim import tiny
from tests.sim.protocols.serving import ROUND_S, crash, serving
from tests.sim.protocols.shared.test_standby import replicas, standing

MOMENTUM = {"server_optimizer": "momentum"}


def test_server_steps_towards_the_average() -> None:
    world, protocol = serving(settings=MOMENTUM)
    lineage, step = world.lineage, Momentum(kind="momentum").step
    model, memory = lineage.initial(), Memory()
    for number in range(3):
        tiny.run(world.clock, (number + 1) * ROUND_S)
        updates = tuple(lineage.trained(model, client, number) for client in range(2))
        model, memory = step(lineage, model, lineage.combined(updates, (0.25, 0.75)), memory)
        assert (protocol.global_model, protocol.memory) == (model, memory)


def test_without_momentum_it_is_the_average() -> None:
    plain = {"kind": "momentum", "momentum": 0.0, "learning_rate": 1.0}
    played = []
    for optimizer in (plain, "average"):
        made = standing(44.0, crash("server", "20 s"), settings={"server_optimizer": optimizer})
        models = [server.storage.model.name for server in made.world.servers]
        played.append((made.rows, models, made.merges))
    # Its replicas are no larger, either: the same happens at the same times.
    assert played[0] == played[1]


@pytest.mark.parametrize("loses_storage", [False, True])
def test_what_it_remembers_is_in_the_checkpoint(loses_storage: bool) -> None:
    # Three rounds are done at 20.25, of which every second is kept.
    fault = crash("server", "21 s", recovers_after="1 s", loses_storage=loses_storage)
    world, protocol = serving(settings=MOMENTUM, server={"checkpoint_every": 2}, faults=fault)
    tiny.run(world.clock, 2 * ROUND_S)
    kept = protocol.memory
    tiny.run(world.clock, 20.5)
    assert protocol.memory != kept
    tiny.run(world.clock, 22.0)
    assert protocol.memory == (() if loses_storage else kept)


@pytest.mark.parametrize(("optimizer", "models"), [("average", 1), ("momentum", 2), ("yogi", 3)])
def test_a_replica_has_what_it_remembers(optimizer: str, models: int) -> None:
    played = standing(24.0, crash("server", "20 s"), settings={"server_optimizer": optimizer})
    sizes = [row.bytes for row in played.rows if row.peer == "standby_1" and row.bytes]
    assert set(sizes) == {1024 * models} and replicas(played)
    kept: list[Any] = [server.storage.notes["server_optimizer"] for server in played.world.servers]
    assert len(kept[0]) == models - 1
    assert kept[0] == kept[1]


def test_the_new_leader_goes_on_with_it() -> None:
    played = standing(44.0, crash("server", "20 s"), settings=MOMENTUM)
    server, standby = played.world.servers
    # It has one round more, and remembers the model before that, which the old one had made.
    assert standby.storage.rounds == server.storage.rounds + 1
    assert standby.storage.notes["server_optimizer"] == (server.storage.model,)
