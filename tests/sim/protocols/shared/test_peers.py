"""Whom a client picks, against an order of all whom it could."""

import itertools

import numpy as np
import pytest

from sim.protocols.shared.peers import Peers
from sim.runs.build import Facts, build
from tests.sim import tiny
from tests.sim.runs.test_common_random_numbers import described


@pytest.mark.parametrize("clients", [20, 700])
@pytest.mark.parametrize("down", [0.0, 0.5, 0.99])
def test_picked_peers_are_the_first_of_those_who_are_there(clients: int, down: float) -> None:
    facts = Facts((1,) * clients, (1,) * clients, clients, clients, 256)
    described_world = described({}, clients, failure_detection="perfect")
    world, running = build(described_world, "independent", 0, tiny.lineage(), facts)
    assert isinstance(running, Peers)
    gone = np.random.default_rng(1).random(clients) < down
    for index in np.flatnonzero(gone).tolist():
        world.clients[index].crash("blow")
    node = world.clients[4]
    for number, counter in itertools.product((0, 1, 5, clients), range(5)):
        order = np.concatenate([*world.streams.shuffled(clients, "peers", 4, counter)]).tolist()
        free = [one for one in order if one not in (3, 4) and not gone[one]]
        picked = running.picked(node, "peers", number, counter, besides=[3])
        assert picked.tolist() == sorted(free[:number])
