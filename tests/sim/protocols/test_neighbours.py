"""Protocols without a server over a topology: who is talked to, and how far behind one is."""

from typing import Any

import pytest

from braintorrent.testing import Played, check_protocol, play

PATH = {"kind": "edges", "pairs": [[0, 1], [1, 2]]}


def merging(settings: Any = None, **sections: Any) -> Played:
    """Three clients up to 6 s, when all of them merge for the first time.

    At 2 clients 0 and 2 find nothing newer; at 4 all have trained. Each fetch shares a link with
    another: client 1 gets two models and sends two, which takes 2 s.
    """
    return play("braintorrent", settings, until_s=6.0, round_s=[2.0, 4.0, 2.0], **sections)


@pytest.mark.parametrize(
    ("settings", "sections"),
    [
        ({}, {"topology": PATH}),
        ({"topology": PATH}, {}),
        ({"topology": PATH}, {"topology": "ring"}),
    ],
)
def test_clients_talk_to_their_neighbours_alone(settings: Any, sections: Any) -> None:
    played = merging(settings, **sections)
    pings = [(row.time_s, row.node, row.asked) for row in played.rows if row.kind == "ping"]
    assert pings == [
        (2.0, "client_0", 1),
        (2.0, "client_2", 1),
        (4.0, "client_1", 2),
        (4.0, "client_0", 1),
        (4.0, "client_2", 1),
    ]
    sent = {(row.node, row.peer) for row in played.rows if row.kind == "transfer"}
    assert sent == {
        ("client_0", "client_1"),
        ("client_1", "client_0"),
        ("client_1", "client_2"),
        ("client_2", "client_1"),
    }
    third = 1 / 3
    assert {merge.node: merge.weights for merge in played.merges} == {
        "client_0": {"client_0.1": 0.5, "client_1.0": 0.5},
        "client_1": {"client_0.1": third, "client_1.0": third, "client_2.1": third},
        "client_2": {"client_2.1": 0.5, "client_1.0": 0.5},
    }


def test_staleness_is_a_mean_over_neighbours() -> None:
    # Nothing is merged yet: client 1 has one round, each of the others two.
    assert merging(topology=PATH).running.staleness() == [1.0, 2.0, 1.0]


def test_equal_settings_are_the_same_graph() -> None:
    drawn = {"kind": "k_regular", "degree": 3}
    common = play("braintorrent", until_s=30.0, round_s=[1.0] * 8, topology=drawn)
    own = play("braintorrent", {"topology": drawn}, until_s=30.0, round_s=[1.0] * 8)
    assert common.rows == own.rows
    assert {row.asked for row in own.rows if row.kind == "ping"} == {3}


@pytest.mark.slow
@pytest.mark.parametrize("topology", ["ring", "k_regular"])
@pytest.mark.parametrize("schedule", ["independent", "random_initiator", "lockstep"])
def test_promises_are_kept_over_a_topology(topology: str, schedule: str) -> None:
    settings = {"topology": topology, "schedule": schedule}
    assert check_protocol("braintorrent", settings, worlds=20)["merge"] > 0
