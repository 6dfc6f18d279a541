"""SCAFFOLD: a round and crashes by hand, and the paper's algorithm in double precision.

The world is that of `serving.py`, in which a model and a direction together have 2048 B:
  client 0 gets them at 0.25 + 2048/1024 = 2.25, trains until 4.25, and what it sends is at the
  server at 4.25 + 0.25 + 2048/512 = 8.5;
  client 1 gets them at 2.5, trains until 4.75, and is done at 4.75 + 0.5 + 4 = 9.25.
The aggregation of two updates takes 0.5 s: the round ends at 9.75.
"""

import asyncio
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from braintorrent.testing import check_protocol, play
from models.arithmetic.exact import batches
from models.bits import generator
from models.learner import Learner
from models.training import TrainingSettings
from sim.compute import ModelRef
from sim.protocols.fedavg import FedAvg
from sim.protocols.protocol import Fastest
from sim.protocols.scaffold import Controlled, Scaffold
from sim.protocols.shared.standby import Standbys
from sim.record.errors import Refusal
from sim.runs.data import learner_spec
from sim.scenario import Scenario
from sim.world.links.latencies import Given
from sim.world.world import World
from tests.sim import tiny
from tests.sim.protocols.learning import simulated
from tests.sim.protocols.serving import LATENCY, SERVER, crash, outage, rounds, under

ROUND_S = 9.75
STEPS, RATE = (2, 1), 0.1
Doubles = npt.NDArray[np.float64]


def scaffold(**how: Any) -> tuple[World, Controlled]:
    world, running = under("scaffold", **how)
    assert isinstance(running, Controlled)
    return world, running


def change_of(world: World, client: int, control: ModelRef | None, x: ModelRef, y: ModelRef) -> Any:
    """(x - y) / (K rate) - c."""
    share = 1 / (STEPS[client] * RATE)
    known = () if control is None else ((control, -1.0),)
    models, weights = zip(*known, (x, share), (y, -share), strict=True)
    return world.lineage.direction(models, weights)


def test_one_round_carries_everything_twice() -> None:
    world, running = scaffold()
    tiny.run(world.clock, ROUND_S)
    assert tiny.events(world.trace) == [
        (0.0, 2.25, "server", "transfer", "client_0", ""),
        (0.0, 2.5, "server", "transfer", "client_1", ""),
        (2.25, 2.0, "client_0", "train", "", "round=0 attempt=0"),
        (2.5, 2.25, "client_1", "train", "", "round=0 attempt=0"),
        (4.25, 4.25, "client_0", "transfer", "server", ""),
        (4.75, 4.5, "client_1", "transfer", "server", ""),
        (0.0, ROUND_S, "server", "round", "", "round=0 asked=2 updates=2"),
    ]
    assert {row.bytes for row in world.trace.rows if row.kind == "transfer"} == {2048}
    lineage = world.lineage
    initial = lineage.initial()
    updates = tuple(lineage.trained(initial, client, 0) for client in range(2))
    assert running.global_model is lineage.combined(updates, (0.5, 0.5))
    changes = tuple(change_of(world, i, None, initial, updates[i]) for i in range(2))
    assert running.control is lineage.direction(changes, (0.5, 0.5))
    assert [node.storage.notes["control"] for node in world.clients] == [*changes]


def test_second_round_is_corrected_by_the_difference_of_the_controls() -> None:
    world, running = scaffold()
    tiny.run(world.clock, ROUND_S)
    control, model = running.control, running.global_model
    own = [node.storage.notes["control"] for node in world.clients]
    tiny.run(world.clock, 2 * ROUND_S)
    lineage = world.lineage
    assert control is not None
    corrections = [lineage.direction((control, own[i]), (1.0, -1.0)) for i in range(2)]
    updates = [lineage.trained(model, i, 1, corrections[i]) for i in range(2)]
    assert running.global_model is lineage.combined(tuple(updates), (0.5, 0.5))
    changes = [change_of(world, i, control, model, updates[i]) for i in range(2)]
    assert running.control is lineage.direction((control, *changes), (1.0, 0.5, 0.5))
    for i, node in enumerate(world.clients):
        kept = lineage.direction((own[i], changes[i]), (1.0, 1.0))
        assert node.storage.notes["control"] is kept


def test_servers_control_is_part_of_its_checkpoint() -> None:
    # Each second round is checkpointed: the third is lost at 30, with what c had become.
    server = {"checkpoint_every": 2}
    world, running = scaffold(server=server, faults=outage("server", 30.0, 31.0))
    tiny.run(world.clock, 2 * ROUND_S)
    saved = running.control
    tiny.run(world.clock, 3 * ROUND_S)
    assert running.control is not saved
    tiny.run(world.clock, 31.0)
    assert running.control is saved


def test_lost_storage_of_the_server_takes_its_control() -> None:
    fault = crash("server", "11 s", recovers_after="1 s", loses_storage=True)
    world, running = scaffold(faults=fault)
    tiny.run(world.clock, 12.0)
    assert running.control is None


def test_standby_takes_over_with_the_servers_control() -> None:
    # All links carry 1024 B/s. The first round ends at 9: two orders take 4 s, and so do updates.
    # Its replica, a model and a direction, shares the uplink with the next orders until 15.
    played = play(
        "scaffold",
        {"deadline": "100 s", "standbys": 1},
        until_s=17.5,
        round_s=(1.0, 1.0),
        faults=crash("server", "17 s"),
        failure_detection={"kind": "perfect"},
    )
    sent = [row for row in played.rows if row.kind == "transfer" and row.peer == "standby_1"]
    assert [row.bytes for row in sent] == [2048]
    running = played.running
    assert isinstance(running, Standbys)
    first, second = (running.rounds[node.index] for node in played.world.servers)
    assert isinstance(first, Controlled)
    assert isinstance(second, Controlled)
    assert list(running.leading) == [played.world.servers[1].index]
    assert second.global_model is first.global_model
    assert second.control is first.control is not None


def test_control_is_the_mean_over_those_that_there_are() -> None:
    # Client 0's rounds take 8.5 s, and an aggregation of 0.25 s. Client 1, whose c_i is 0, is known
    # to be there from 9.5 to 18.5, when its first order is on its way.
    faults = {
        "new": {"kind": "join", "nodes": ["client_1"], "at": "9 s"},
        "end": {"kind": "leave", "nodes": ["client_1"], "at": "18 s"},
    }
    world, running = scaffold(faults=faults)
    controls: list[ModelRef | None] = [None]
    models = [world.lineage.initial()]
    for end_s in (8.75, 17.5, 26.25):
        tiny.run(world.clock, end_s)
        controls.append(running.control)
        models.append(running.global_model)
    changes = [change_of(world, 0, controls[i], *models[i : i + 2]) for i in range(3)]
    direction = world.lineage.direction
    assert [row.asked for row in world.trace.rows if row.kind == "round"] == [1, 1, 2]
    assert controls[1] is changes[0]
    assert controls[2] is direction((controls[1], changes[1]), (0.5, 0.5))
    assert controls[3] is direction((controls[2], changes[2]), (2.0, 1.0))


def test_crash_in_training_leaves_the_clients_control_as_it_was() -> None:
    # Client 0 trains for the second time from 12 to 14.
    world, _ = scaffold(faults=outage("client_0", 13.0, 14.0))
    tiny.run(world.clock, ROUND_S)
    before = world.clients[0].storage.notes["control"]
    tiny.run(world.clock, 14.5)
    assert world.clients[0].storage.notes["control"] is before


def test_finished_update_survives_with_the_clients_control() -> None:
    # It is on its way when the client crashes, and sent again from 6 to 10.25. The first round has
    # closed at 9.5, without the one that started anew.
    world, running = scaffold(faults=outage("client_0", 5.0, 6.0))
    tiny.run(world.clock, 5.5)
    stored = world.clients[0].storage
    assert stored.notes["control"] is stored.unreported.change
    tiny.run(world.clock, 10.5)
    assert rounds(world) == [(0.0, 9.5)]
    # Of one client in two: c has moved by half of its change.
    change = world.clients[1].storage.notes["control"]
    assert running.control is world.lineage.direction((change,), (0.5,))
    late = (10.25, 0.0, "server", "update_late", "client_0", "round=0")
    assert tiny.events(world.trace, "update_late") == [late]


def test_late_update_brings_its_change() -> None:
    # The rounds close with client 0's updates; client 1's comes at 9.25, in the second.
    settings = {"close_at": 0.5, "late_updates": "next_round"}
    world, running = scaffold(settings=settings)
    tiny.run(world.clock, 8.75)
    control, model = running.control, running.global_model
    tiny.run(world.clock, 9.5)
    assert running.server_round == 1
    late = world.clients[1].storage.notes["control"]
    tiny.run(world.clock, 17.75)
    assert running.server_round == 2
    fresh = change_of(world, 0, control, model, world.clients[0].storage.model)
    assert control is not None
    assert running.control is world.lineage.direction((control, fresh, late), (1.0, 0.5, 0.5))


def test_lost_storage_of_a_client_begins_at_zero() -> None:
    fault = crash("client_0", "10 s", recovers_after="1 s", loses_storage=True)
    world, running = scaffold(faults=fault)
    tiny.run(world.clock, 11.0)
    assert "control" not in world.clients[0].storage.notes
    # Its next order is that of 19.25, after a round with client 1 alone; it trains until 23.5.
    tiny.run(world.clock, 19.5)
    control, model = running.control, running.global_model
    tiny.run(world.clock, 23.5)
    stored = world.clients[0].storage
    assert stored.model is world.lineage.trained(model, 0, 1, control)
    assert stored.notes["control"] is change_of(world, 0, control, model, stored.model)


def test_dropout_changes_no_control() -> None:
    faults = {"luck": {"kind": "client_dropout", "nodes": "clients", "probability": 1.0}}
    world, running = scaffold(faults=faults)
    tiny.run(world.clock, 60.0)
    assert running.control is None
    assert not any(node.storage.notes for node in world.clients)


@pytest.mark.parametrize(
    ("changes", "what"),
    [({"optimizer": "momentum"}, "momentum"), ({"arithmetic": "batched"}, "batched")],
)
def test_only_plain_exact_descent_can_be_corrected(changes: dict[str, str], what: str) -> None:
    plain = {"learning_rate": 0.1, "batch_size": 32, "local_epochs": 1}
    Scaffold().check_training(TrainingSettings.model_validate(plain))
    with pytest.raises(Refusal, match=what):
        Scaffold().check_training(TrainingSettings.model_validate(plain | changes))


def test_deadline_that_would_do_for_half_of_the_bytes_is_refused() -> None:
    # Client 0's way from order to update takes 5.5 s under FedAvg, and 8.5 s here.
    uplink, downlink = np.array([512.0, 512.0, 2048.0]), np.array([1024.0, 1024.0, 4096.0])
    fastest = Fastest(Given(np.array(LATENCY)), uplink, downlink, 1024, np.array([2.0, 2.25]))
    FedAvg.model_validate({"deadline": "5.5 s"}).check_times(fastest)
    Scaffold.model_validate({"deadline": "8.5 s"}).check_times(fastest)
    with pytest.raises(Refusal, match="is shorter than any client's way from order to update"):
        Scaffold.model_validate({"deadline": "8.25 s"}).check_times(fastest)


# -- in numbers --------------------------------------------------------------------------------


def described(protocol: str) -> Scenario:
    links = {"uplink": "1 MB/s", "downlink": "1 MB/s"}
    return tiny.scenario(
        LATENCY,
        (1.0, 2.25),
        {protocol: {}},
        links=links,
        server=SERVER | links,
        task={"name": "digits", "partition": {"kind": "dirichlet", "alpha": 0.5}},
        model={"name": "mlp", "hidden": []},
        training={"learning_rate": 0.05, "batch_size": 128, "local_steps": 4},
    )


def test_equals_the_papers_algorithm() -> None:
    number = 3
    expected = reference(described("scaffold"), number)
    found = asyncio.run(simulated(described("scaffold"), "scaffold", number))
    assert np.abs(found - expected).max() < 1e-6
    # It is no FedAvg, and no small difference.
    other = asyncio.run(simulated(described("fedavg"), "fedavg", number))
    assert np.abs(other - expected).max() > 1e-3


def reference(scenario: Any, number: int) -> Doubles:
    """Algorithm 1 of Karimireddy et al. with option II and a global step of 1, for two clients."""
    task = scenario.task.load(2, lambda line: None)
    parts = scenario.task.partition.deal(task.labels.numpy(), 2, generator(5, "data_partition"))
    rate = scenario.training.learning_rate
    x = Learner(learner_spec(scenario, "scaffold", 5)).initial().astype(np.float64)
    c, own = np.zeros_like(x), [np.zeros_like(x) for _ in range(2)]
    for local_round in range(number):
        models, changes = [], []
        for client, part in enumerate(parts):
            y, steps = x.copy(), 0
            order = generator(5, "batches", client, local_round)
            for batch in batches(len(part), scenario.training, order):
                chosen = part[batch.numpy()]
                inputs, labels = task.inputs[chosen].numpy(), task.labels[chosen].numpy()
                y -= rate * (gradient(y, inputs, labels) - own[client] + c)
                steps += 1
            changes.append((x - y) / (steps * rate) - c)
            own[client] = own[client] + changes[-1]
            models.append(y)
        x, c = (models[0] + models[1]) / 2, c + (changes[0] + changes[1]) / 2
    return x


def gradient(model: Doubles, inputs: Any, labels: Any) -> Doubles:
    """Of the cross-entropy of a linear classifier; `model`: weights [10, 64], then biases [10]."""
    flat = inputs.reshape(len(labels), -1).astype(np.float64)
    scores = flat @ model[:-10].reshape(10, -1).T + model[-10:]
    chances = np.exp(scores - scores.max(1, keepdims=True))
    chances /= chances.sum(1, keepdims=True)
    chances[np.arange(len(labels)), labels] -= 1
    return np.concatenate([(chances.T @ flat).ravel(), chances.sum(0)]) / len(labels)


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"close_at": 0.5, "minimum_fraction": 0.1, "late_updates": "next_round"},
        {"participation": 0.7, "transfer_timeout": "4 s"},
    ],
)
def test_every_world_keeps_its_promises(settings: dict[str, object]) -> None:
    assert check_protocol("scaffold", {"deadline": "10 s"} | settings, worlds=20)["round"] > 0
