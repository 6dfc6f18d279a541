"""AD-PSGD in tiny worlds: exchanges, and what is left of one in which somebody crashes.

Two clients train for 4 s each. At 4 client 0 asks, if it is told to: its model is with client 1 at
4 + 0.25 + 1024/1024 = 5.25, which answers and has the mean at 5.75, since averaging two models
takes 0.5 s. The answer is there at 6.5, and client 0 has the mean at 7.
"""

from typing import Any

import numpy as np
import pytest

from braintorrent.testing import Merge, Played, play
from braintorrent.testing.counters import Counters
from braintorrent.testing.kinds import PROTOCOL, chosen
from sim.world import Node, Streams
from tests.sim import tiny
from tests.sim.protocols.promises import keeps_promises
from tests.sim.protocols.serving import crash, outage

HALVES = {"client_0.0": 0.5, "client_1.0": 0.5}


def played(
    until_s: float,
    *asks: tuple[int, ...],
    round_s: tuple[float, ...] = (4.0, 4.0),
    detection: str = "perfect",
    lucks: dict[tuple[str | int, ...], float] | None = None,
    **more: Any,
) -> Played:
    """`asks`: which client asks at the beginning of which of its attempts, or of all of them."""
    drawn: dict[tuple[str | int, ...], float] = {("initiative", *ask): 0.0 for ask in asks}
    return play(
        "ad_psgd",
        more.pop("settings", {}),
        until_s=until_s,
        round_s=round_s,
        latency_s=0.25,
        merge_time="0.25 s",
        failure_detection={"kind": detection},
        streams=tiny.scripted(lucks=drawn | (lucks or {})),
        **more,
    )


def rounds(node: Node) -> list[float]:
    """How many local rounds of each client are in what the node has now."""
    assert isinstance(node.lineage, Counters)
    return [float(each) for each in node.lineage.rounds(node.storage.newest)]


def test_both_become_the_mean_and_what_is_trained_meanwhile_is_added_to_it() -> None:
    run = played(8.0, (0, 1))
    assert run.of("train", "transfer", "merge")[2:] == [
        (5.25, "client_0", "transfer"),
        (5.75, "client_1", "merge"),
        (6.5, "client_1", "transfer"),
        (7.0, "client_0", "merge"),
        (8.0, "client_0", "train"),
        (8.0, "client_1", "train"),
    ]
    assert run.merges == [
        Merge(5.75, "client_1", HALVES),
        Merge(7.0, "client_0", HALVES),
        # x + (trained - base): the gradient was that of the model before the average.
        Merge(8.0, "client_0", {"average.0": 1.0, "client_0.1": 1.0, "client_0.0": -1.0}),
        Merge(8.0, "client_1", {"average.0": 1.0, "client_1.1": 1.0, "client_1.0": -1.0}),
    ]
    assert [rounds(node) for node in run.world.clients] == [[1.5, 0.5], [0.5, 1.5]]
    assert run.world.clients[0].storage.merged == {1: 1}
    assert run.running.staleness() == [1.0, 1.0]


def test_round_that_ends_while_an_exchange_is_under_way_is_kept_at_once() -> None:
    # Client 0 sends its model of 4 and has trained on it at 6; the answer is there at 6.5.
    run = played(7.0, (0, 2), (0, 3), round_s=(2.0, 4.0))
    assert run.merges == [
        Merge(5.75, "client_1", {"client_0.1": 0.5, "client_1.0": 0.5}),
        Merge(7.0, "client_0", {"client_0.1": 0.5, "client_1.0": 0.5}),
        Merge(7.0, "client_0", {"client_0.2": 1.0, "average.0": 1.0, "client_0.1": -1.0}),
    ]
    # It is busy at 6, and doesn't ask again.
    assert len(run.of("transfer")) == 2
    assert rounds(run.world.clients[0]) == [2.0, 0.5]


def test_two_who_ask_at_once_turn_each_other_away_and_are_free_again() -> None:
    # The refusals are there at 5.5. At 8 client 1 asks again.
    run = played(12.0, (0, 1), (1, 1), (1, 2))
    assert run.of("transfer", "merge") == [
        (5.25, "client_0", "transfer"),
        (5.25, "client_1", "transfer"),
        (9.25, "client_1", "transfer"),
        (9.75, "client_0", "merge"),
        (10.5, "client_0", "transfer"),
        (11.0, "client_1", "merge"),
    ]


def test_who_has_trained_nothing_yet_has_nothing_to_give() -> None:
    # Client 1 is done with its first round at 6, when client 0's second ask is under way.
    run = played(10.0, (0, 0), (0, 1), (0, 2), round_s=(2.0, 6.0))
    assert run.of("transfer") == [
        (3.25, "client_0", "transfer"),
        (5.25, "client_0", "transfer"),
    ]
    assert not run.merges


@pytest.mark.parametrize(
    ("who", "at_s", "averaged"),
    [
        ("client_0", 4.75, []),  # Its model is on its way.
        ("client_1", 4.75, []),
        ("client_0", 5.5, ["client_1"]),  # Client 1 is averaging, and has answered.
        ("client_1", 5.5, []),
        ("client_0", 6.0, ["client_1"]),  # The answer is on its way.
        ("client_1", 6.0, ["client_1"]),
        ("client_0", 6.75, ["client_1"]),  # Client 0 is averaging.
        ("client_1", 6.75, ["client_0", "client_1"]),
    ],
)
def test_crash_in_the_middle_of_an_exchange(who: str, at_s: float, averaged: list[str]) -> None:
    # Back half a second later, it goes on with what it has stored, and trains for 4 s.
    run = played(at_s + 4.5, (0, 1), faults=outage(who, at_s, at_s + 0.5))
    assert sorted(merge.node for merge in run.merges if merge.weights == HALVES) == averaged
    assert (at_s + 4.5, who, "train") in run.events
    for index, node in enumerate(run.world.clients):
        others = 0.5 if node.name in averaged else 0.0
        assert rounds(node)[1 - index] == others


@pytest.mark.parametrize(
    ("detection", "again_s"), [("perfect", 8), ("heartbeat", 24), ("none", 40)]
)
def test_asker_asks_again_when_it_knows_that_no_answer_will_come(
    detection: str, again_s: float
) -> None:
    # The lot falls on client 2, which crashes at 6, when half of its answer is through. Its
    # heartbeat of 5 was there at 5.25 and is believed for 15 s; nothing comes for 30 s after 6.
    world: dict[str, Any] = {"detection": detection, "faults": crash("client_2", "6 s")}
    run = played(42.0, (0,), round_s=(4.0,) * 3, lucks={("partner", 0, 1, 2): 0.0}, **world)
    asks = [row for row in run.rows if row.node == "client_0" and row.kind.startswith("transfer")]
    assert (asks[0].time_s, asks[0].peer) == (4.0, "client_2")
    assert asks[1].time_s == again_s
    assert run.world.clients[0].rounds == 10  # It trains on all the while.


def test_exchanges_keep_the_mean_however_they_interleave() -> None:
    # Links are so fast that none is under way at the end: all finished rounds are in the sum.
    fast = {"uplink": "1 GB/s", "downlink": "1 GB/s"}
    for seed in range(3):
        run = play(
            "ad_psgd",
            {"topology": "ring"},
            until_s=40.0,
            round_s=[1.0, 1.25, 0.75, 1.0, 2.0, 1.0],
            links=fast,
            streams=Streams(seed),
        )
        assert len(run.of("merge")) > 50
        total = np.sum([rounds(node) for node in run.world.clients], axis=0)
        assert total == pytest.approx([node.rounds for node in run.world.clients])


def test_partners_are_neighbours_and_each_is_chosen() -> None:
    run = play("ad_psgd", {"topology": "ring"}, until_s=60.0, round_s=[1.0] * 5, streams=Streams(0))
    pairs = {(row.node, *(row.peers or ())) for row in run.rows if row.kind == "merge"}
    ring = {frozenset((f"client_{i}", f"client_{(i + 1) % 5}")) for i in range(5)}
    assert {frozenset(pair) for pair in pairs} == ring


@pytest.mark.parametrize("settings", [{}, {"topology": "ring"}])
def test_keeps_its_promises_in_random_worlds(settings: dict[str, Any]) -> None:
    protocol = chosen(PROTOCOL, "ad_psgd", settings)
    assert keeps_promises(protocol, 4, "merge", "crash", "transfer_lost")
