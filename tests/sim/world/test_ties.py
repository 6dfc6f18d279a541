"""What happens at one instant: what is computed, what arrives, what fails, in this order."""

import itertools
from typing import Any

import numpy as np
import pytest

from sim.world.clock import Tie
from sim.world.links.flows import Sharing
from sim.world.network import Network
from sim.world.world import World
from tests.sim import tiny


def meeting(second_s: float, **changes: Any) -> World:
    """Two clients, 0.25 s apart; client 0 trains in 4 s, client 1 in `second_s`.

    Client 0 trains from 0 to 4, asks client 1, which has nothing yet, and trains from 4.5 to 8.5.
    """
    described = tiny.scenario(
        [[0, 0.25], [0.25, 0]], [4.0, second_s], {"braintorrent": {}}, **changes
    )
    made, _ = tiny.world(described, samples=[100, 100], steps=[1, 1])
    return made


def test_a_ping_that_arrives_as_a_training_ends_finds_the_new_version() -> None:
    # Asked at 3.75, client 0 is reached at 4; the ask of 4.25 is there at 4.5.
    world = meeting(3.75)
    tiny.run(world.clock, 5.75)
    assert tiny.events(world.trace, "transfer")[-1] == (
        4.5, 1.25, "client_0", "transfer", "client_1", ""
    )  # fmt: skip


def test_an_ask_that_arrives_as_a_training_ends_is_given_the_new_model() -> None:
    # Client 1 pings at 7.75, when client 0 is at version 1, and asks at 8.25: until 8.5.
    world = meeting(7.75)
    tiny.run(world.clock, 9.75)
    merged = world.clients[1].storage.received
    tiny.run(world.clock, 20.0)
    first = world.lineage.trained(world.lineage.initial(), 0, 0)
    second = world.lineage.trained(first, 0, 1)
    alone = world.lineage.trained(world.lineage.initial(), 1, 0)
    assert merged is world.lineage.combined((second, alone), (0.5, 0.5))
    assert world.clients[1].storage.merged == {0: 2}


def test_an_ask_that_arrives_as_its_receiver_crashes_is_answered_and_the_answer_lost() -> None:
    blow = {"kind": "crash", "node": "client_0", "at": "8.5 s"}
    world = meeting(7.75, faults={"blow": blow})
    tiny.run(world.clock, 9.0)
    assert tiny.events(world.trace, "train", "crash", "transfer_lost", "message_lost") == [
        (0.0, 4.0, "client_0", "train", "", "round=0 attempt=0"),
        (0.0, 7.75, "client_1", "train", "", "round=0 attempt=0"),
        (4.5, 4.0, "client_0", "train", "", "round=1 attempt=1"),
        (8.5, 0.0, "client_0", "crash", "", "blow"),
        (8.5, 0.0, "client_0", "transfer_lost", "client_1", "sender_down"),
    ]
    assert world.clients[0].storage.rounds == 2


def sent(network: Network, source: int, at_s: float, size: int, arrived: list[int]) -> None:
    def send(_: object) -> None:
        network.send(source, 3, size, delivered=lambda transfer: arrived.append(transfer.source))

    event = network.clock.at(at_s, Tie.COMPUTED)
    assert event.callbacks is not None
    event.callbacks.append(send)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_messages_of_one_instant_arrive_in_the_order_of_sending(order: tuple[int, ...]) -> None:
    # To client 3, who is reached at 4.
    latency_s = np.zeros((4, 4))
    arrived: list[int] = []
    for position, source in enumerate(order):
        latency_s[source, 3] = 4 - position
    network = tiny.network(latency_s.tolist(), [1.0] * 4)
    for source in range(3):
        sent(network, source, 4 - latency_s[source, 3], 0, arrived)
    tiny.run(network.clock, 4.0)
    assert arrived == list(order)


@pytest.mark.parametrize("sharing", ["max_min", "equal", "none"])
@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_transfers_of_one_instant_arrive_in_the_order_in_which_they_began(
    sharing: Sharing, order: tuple[int, ...]
) -> None:
    # Of 64 B, from 0, 2 and 3 to 4.
    uplink, arrived = [0.0, 0.0, 0.0, 256.0], list[int]()
    for position, source in enumerate(order):
        uplink[source] = 16.0 * 2**position
    network = tiny.network(0.0, uplink, sharing=sharing)
    for source, began_s in zip(order, (0.0, 2.0, 3.0), strict=True):
        sent(network, source, began_s, 64, arrived)
    tiny.run(network.clock, 4.0)
    assert arrived == list(order)
