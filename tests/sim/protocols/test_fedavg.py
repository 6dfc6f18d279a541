"""FedAvg with a server: exact rounds, crashes, deadlines, and the textbook's loop over digits."""

import asyncio
from typing import Any

import numpy as np
import torch

from models.arithmetic.exact import batches
from models.bits import generator
from models.learner import Learner
from models.operations import combined
from sim.runs.data import learner_spec
from tests.sim import tiny
from tests.sim.protocols.learning import simulated
from tests.sim.protocols.serving import (
    DOWNLOADS,
    LATENCY,
    ROUND_S,
    SERVER,
    TRAININGS,
    UPLOADS,
    crash,
    serving,
)


def test_one_round() -> None:
    world, protocol = serving()
    tiny.run(world.clock, 7.5)
    assert tiny.events(world.trace) == [
        *DOWNLOADS,
        *TRAININGS,
        *UPLOADS,
        (0.0, ROUND_S, "server", "round", "", "round=0 asked=2 updates=2"),
    ]
    lineage = world.lineage
    updates = tuple(lineage.trained(lineage.initial(), client, 0) for client in range(2))
    assert protocol.global_model is lineage.combined(updates, (0.25, 0.75))
    assert protocol.server_round == 1


def test_rounds_follow_each_other_without_a_gap() -> None:
    world, _ = serving()
    tiny.run(world.clock, 4 * ROUND_S)
    rounds = [(e[0], e[1]) for e in tiny.events(world.trace, "round")]
    assert rounds == [(number * ROUND_S, ROUND_S) for number in range(4)]


def test_server_recovers_at_its_last_checkpoint() -> None:
    # Three rounds are done at 20.25, of which every second is checkpointed; the crash at 21 takes
    # the third.
    world, protocol = serving(
        server={"checkpoint_every": 2}, faults=crash("server", "21 s", recovers_after="1 s")
    )
    tiny.run(world.clock, 2 * ROUND_S)
    saved = protocol.global_model
    tiny.run(world.clock, 20.5)
    assert protocol.server_round == 3
    assert protocol.global_model is not saved
    tiny.run(world.clock, 22.0)
    assert protocol.server_round == 2
    assert protocol.global_model is saved


def test_lost_storage_of_the_server_takes_all_rounds() -> None:
    fault = crash("server", "21 s", recovers_after="1 s", loses_storage=True)
    world, protocol = serving(faults=fault)
    tiny.run(world.clock, 22.0)
    assert protocol.server_round == 0
    assert protocol.global_model is world.lineage.initial()


def test_deadline_closes_a_round() -> None:
    # Client 1 trains for 64 s. At 8 the server has one update of two, the half that it needs.
    world, protocol = serving(step_s=(1.0, 64.0), settings={"deadline": "8 s"})
    tiny.run(world.clock, 8.5)
    assert tiny.events(world.trace, "round") == [
        (0.0, 8.25, "server", "round", "", "round=0 asked=2 updates=1")
    ]
    lineage = world.lineage
    assert protocol.global_model is lineage.trained(lineage.initial(), 0, 0)


def test_round_with_too_few_updates_starts_again() -> None:
    settings = {"deadline": "8 s", "minimum_fraction": 0.75}
    world, protocol = serving(step_s=(1.0, 64.0), settings=settings)
    tiny.run(world.clock, 16.0)
    assert tiny.events(world.trace, "round_failed", "round") == [
        (0.0, 8.0, "server", "round_failed", "", "round=0 asked=2 updates=1"),
        (8.0, 8.0, "server", "round_failed", "", "round=0 asked=2 updates=1"),
    ]
    assert protocol.global_model is world.lineage.initial()


def test_update_of_a_closed_round_is_not_averaged() -> None:
    # The deadline at 6 closes each round 0.25 s before client 1's update: it comes when the next
    # round begins at 6.25, and belongs to none.
    world, protocol = serving(settings={"deadline": "6 s"})
    tiny.run(world.clock, 12.5)
    assert UPLOADS[1] in tiny.events(world.trace)
    assert tiny.events(world.trace, "round", "update_late") == [
        (0.0, 6.25, "server", "round", "", "round=0 asked=2 updates=1"),
        (6.25, 0.0, "server", "update_late", "client_1", "round=0"),
        (6.25, 6.25, "server", "round", "", "round=1 asked=2 updates=1"),
        (12.5, 0.0, "server", "update_late", "client_1", "round=1"),
    ]
    lineage = world.lineage
    first = lineage.trained(lineage.initial(), 0, 0)
    assert protocol.global_model is lineage.trained(first, 0, 1)


def test_straggler_goes_on_with_the_newest_order() -> None:
    # Client 1 trains from 1.5 to 65.5. Rounds began at 0, 8.25, ..., 57.75 in the meantime:
    # its update is out of date, and it trains the model that it was sent last, at 57.75 + 1.5.
    world, _ = serving(step_s=(1.0, 64.0), settings={"deadline": "8 s"})
    tiny.run(world.clock, 130.0)
    mine = tiny.events(world.trace, "train")
    assert [e[:2] for e in mine if e[2] == "client_1"] == [(1.5, 64.0), (65.5, 64.0)]
    assert not [e for e in tiny.events(world.trace, "transfer") if e[2] == "client_1"]


def test_participation_asks_a_share_of_the_clients() -> None:
    world, _ = serving(settings={"participation": 0.5})
    tiny.run(world.clock, 100.0)
    rounds = tiny.events(world.trace, "round")
    assert {e[5].split(" ", 1)[1] for e in rounds} == {"asked=1 updates=1"}
    assert {e[4] for e in tiny.events(world.trace, "transfer")} == {
        "client_0",
        "client_1",
        "server",
    }


def test_equals_the_textbook_on_digits_bit_for_bit() -> None:
    described = tiny.scenario(
        LATENCY,
        (1.0, 2.25),
        {"fedavg": {}},
        links={"uplink": "1 MB/s", "downlink": "1 MB/s"},
        server=SERVER | {"uplink": "1 MB/s", "downlink": "1 MB/s"},
        task={"name": "digits", "partition": {"kind": "dirichlet", "alpha": 0.5}},
        training={
            "optimizer": "momentum",
            "learning_rate": 0.05,
            "batch_size": 128,
            "local_epochs": 1,
        },
    )
    rounds = 3
    expected = textbook(described, rounds)
    assert np.array_equal(asyncio.run(simulated(described, "fedavg", rounds)), expected)


def textbook(described: Any, rounds: int) -> Any:
    """Algorithm 1 of McMahan et al. as one reads it, with state dicts flattened only to average."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        learner = Learner(learner_spec(described, "fedavg", 5))
        task = described.task.load(2, lambda line: None)
        draws = generator(5, "data_partition")
        parts = described.task.partition.deal(task.labels.numpy(), 2, draws)
        weights = learner.initial()
        for number in range(rounds):
            updates = []
            for client, part in enumerate(parts):
                net = described.model.build(task.input_shape, task.outputs)
                torch.nn.utils.vector_to_parameters(torch.tensor(weights), net.parameters())
                optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
                order = generator(5, "batches", client, number)
                for batch in batches(len(part), described.training, order):
                    chosen = part[batch.numpy()]
                    optimizer.zero_grad()
                    output = net(task.inputs[chosen])
                    loss = torch.nn.functional.cross_entropy(output, task.labels[chosen])
                    torch.autograd.backward(loss)
                    optimizer.step()
                trained = torch.nn.utils.parameters_to_vector(net.parameters())
                updates.append(trained.detach().numpy().copy())
            total = sum(len(part) for part in parts)
            weights = combined(updates, [len(part) / total for part in parts], len(updates[0]))
        return weights
    finally:
        torch.set_num_threads(threads)
