"""Plexus with samples of two of four clients, against times worked out by hand.

Clients 0 to 3 train for 2, 3, 4 and 1 s. A message takes 0.25 s one way, a model 1.25 and a ping
with its answer 0.5. By the luck that is chosen here clients 0 and 1 are round 0's sample, 2 and 3
are round 1's, and 0 and 1 are round 2's: client 2 averages what was trained in round 0.
"""

from typing import Any

import numpy as np
import pytest

from braintorrent.testing import Played, check_protocol, play, scripted
from sim.protocols.plexus import Samples
from sim.record.errors import ScenarioError
from sim.world import Streams
from tests.sim.protocols.serving import crash

Row = tuple[float, float, str, str, str]
LUCK = scripted(lucks={("sample", 1, 2): 0.0, ("sample", 1, 3): 0.125})
FIRST = [
    (0.0, 2.0, "client_0", "train", ""),
    (2.0, 0.5, "client_0", "ping", ""),
    (0.0, 3.0, "client_1", "train", ""),
    (3.0, 0.5, "client_1", "ping", ""),
    (2.5, 1.25, "client_0", "transfer", "client_2"),
]
AVERAGED = [
    *FIRST,
    (3.5, 1.25, "client_1", "transfer", "client_2"),
    (4.75, 0.0, "client_2", "merge", ""),
    (4.75, 0.5, "client_2", "ping", ""),
]


def plexus(until_s: float, settings: dict[str, Any] | None = None, **more: Any) -> Played:
    settings = {"sample": 2, "aggregation_timeout": "8 s", **(settings or {})}
    world: dict[str, Any] = {"round_s": [2.0, 3.0, 4.0, 1.0], "latency_s": 0.25, "streams": LUCK}
    return play("plexus", settings, until_s=until_s, **(world | more))


def rows(played: Played) -> list[Row]:
    return [(r.time_s, r.duration_s, r.node, r.kind, r.peer) for r in played.rows]


def merges(played: Played) -> list[tuple[float, str, set[str]]]:
    return [(each.time_s, each.node, set(each.weights)) for each in played.merges]


def test_one_round() -> None:
    played = plexus(6.5)
    assert rows(played) == [*AVERAGED, (5.25, 1.25, "client_2", "transfer", "client_3")]
    assert merges(played) == [(4.75, "client_2", {"client_0.0", "client_1.0"})]
    average = played.world.clients[2].storage.received
    assert played.world.clients[3].storage.received.name == average.name
    assert played.running.staleness() == [1.0, 1.0, 0.0, 0.0]


def test_the_next_sample_trains_its_average() -> None:
    played = plexus(11.0)
    assert rows(played)[9:] == [
        (6.5, 1.0, "client_3", "train", ""),
        (7.5, 0.5, "client_3", "ping", ""),
        (5.25, 4.0, "client_2", "train", ""),
        (8.0, 1.25, "client_3", "transfer", "client_0"),
        (9.25, 0.5, "client_2", "ping", ""),
        (9.75, 1.25, "client_2", "transfer", "client_0"),
        (11.0, 0.0, "client_0", "merge", ""),
    ]
    assert played.rounds("client_3") == [0.5, 0.5, 0.0, 1.0]


def test_samples_are_drawn_for_each_round_and_no_client_changes_anothers_place() -> None:
    def orders(clients: int) -> list[list[int]]:
        running = plexus(0.0, round_s=[1.0] * clients, streams=Streams(7)).running
        assert isinstance(running, Samples)
        return [[*running.order(number)] for number in range(5)]

    eight, nine = orders(8), orders(9)
    assert all(sorted(order) == list(range(8)) for order in eight)
    assert len({tuple(order) for order in eight}) == 5
    assert [[client for client in order if client < 8] for order in nine] == eight


def test_a_share_of_the_updates_is_enough() -> None:
    # Client 0's update is there at 3.75; client 1's comes too late for the average.
    played = plexus(6.5, {"success_fraction": 0.5})
    assert merges(played) == []  # Of one model there is no average.
    assert (3.75, 0.0, "client_2", "merge", "") in rows(played)
    assert (3.5, 1.25, "client_1", "transfer", "client_2") in rows(played)
    assert played.world.clients[3].storage.received.name == _trained_by_client_0(played)


def _trained_by_client_0(played: Played) -> str:
    return played.world.clients[0].storage.model.name


def test_trainer_that_crashed_is_waited_for_until_the_time_out() -> None:
    # Nobody suspects anybody. The first update is there at 3.75, and client 2 waits until 11.75.
    fault = crash("client_1", "2.5 s")
    played = plexus(12.25, faults=fault, failure_detection={"kind": "none"})
    assert rows(played)[4:] == [
        (2.5, 1.25, "client_0", "transfer", "client_2"),
        (11.75, 0.0, "client_2", "merge", ""),
        (11.75, 0.5, "client_2", "ping", ""),
    ]


def test_trainer_that_is_suspected_is_not_waited_for() -> None:
    fault = crash("client_1", "2.5 s", recovers_after="60 s")
    played = plexus(4.25, faults=fault, failure_detection={"kind": "perfect"})
    assert rows(played)[4:] == [
        (2.5, 1.25, "client_0", "transfer", "client_2"),
        (3.75, 0.0, "client_2", "merge", ""),
        (3.75, 0.5, "client_2", "ping", ""),
    ]


def test_trainer_that_has_started_anew_is_not_waited_for() -> None:
    # Its upload breaks, and nobody sends that again. It says at once that it is back.
    played = plexus(5.25, faults=crash("client_1", "4 s", recovers_after="0.75 s"))
    assert rows(played)[-2:] == [
        (4.75, 0.0, "client_1", "recover", ""),
        (5.0, 0.0, "client_2", "merge", ""),
    ]


def test_who_does_not_answer_is_not_in_the_sample() -> None:
    # Client 2 is down from 1 on, and not suspected: after 5 s the next of the order is pinged.
    played = plexus(9.75, faults=crash("client_2", "1 s"))
    assert rows(played)[3:] == [
        (2.0, 5.0, "client_0", "ping", ""),
        (7.0, 0.5, "client_0", "ping", ""),
        (3.0, 5.0, "client_1", "ping", ""),
        (8.0, 0.5, "client_1", "ping", ""),
        (7.5, 1.25, "client_0", "transfer", "client_3"),
        (8.5, 1.25, "client_1", "transfer", "client_3"),
        (9.75, 0.0, "client_3", "merge", ""),
    ]


def test_aggregator_that_crashes_while_it_collects_stops_all() -> None:
    # With it goes client 0's update; client 1's upload breaks. Nobody sends either again.
    played = plexus(500.0, faults=crash("client_2", "4.5 s", recovers_after="5 s"))
    assert rows(played) == [
        *FIRST,
        (4.5, 0.0, "client_2", "crash", ""),
        (3.5, 1.0, "client_1", "transfer_lost", "client_2"),
        (9.5, 0.0, "client_2", "recover", ""),
    ]


def test_aggregator_that_crashes_while_it_sends_stops_all() -> None:
    played = plexus(500.0, faults=crash("client_2", "5.75 s", recovers_after="5 s"))
    assert rows(played) == [
        *AVERAGED,
        (5.75, 0.0, "client_2", "crash", ""),
        (5.25, 0.5, "client_2", "transfer_lost", "client_3"),
        (5.25, 0.5, "client_2", "train_lost", ""),
        (10.75, 0.0, "client_2", "recover", ""),
    ]


def test_a_second_aggregator_saves_the_round() -> None:
    # Clients 2 and 3 are to get both updates of round 0. Client 2 crashes at 5.5, and what comes to
    # client 3 flows faster from then on. It waits 5 s for client 2's answer, then pings client 0.
    played = plexus(12.125, {"aggregators": 2}, faults=crash("client_2", "5.5 s"))
    assert merges(played) == [(5.625, "client_3", {"client_0.0", "client_1.0"})]
    assert rows(played)[-1] == (11.125, 1.0, "client_3", "train", "")
    assert played.rounds("client_3") == [0.5, 0.5, 0.0, 1.0]


def test_with_two_aggregators_the_first_average_is_trained_and_no_other() -> None:
    played = plexus(10.25, {"aggregators": 2})
    assert [merge[:2] for merge in merges(played)] == [(5.75, "client_2"), (5.75, "client_3")]
    trained = [row[:3] for row in rows(played) if row[3] == "train"]
    assert trained[2:] == [(6.25, 1.0, "client_3"), (6.25, 4.0, "client_2")]


def test_failed_local_round_is_done_again() -> None:
    faults = {"drop": {"kind": "client_dropout", "probability": 0.5, "nodes": ["client_1"]}}
    played = plexus(60.0, faults=faults)
    assert "train_lost" in {row[3] for row in rows(played)}
    assert played.merges[0].weights.keys() == {"client_0.0", "client_1.0"}


def test_a_client_alone_goes_on() -> None:
    assert np.diff([time_s for time_s, _, _ in plexus(9.0, round_s=[2.0]).of("train")]).max() == 2.0


def test_more_aggregators_than_the_sample_has_are_refused() -> None:
    with pytest.raises(ScenarioError) as mistake:
        plexus(1.0, {"aggregators": 3})
    assert str(mistake.value).endswith(
        "protocols.it.aggregators: is more than the sample; allowed: at most sample"
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"sample": 1, "ping_timeout": "1 s"},
        {
            "sample": 4, "aggregators": 3, "success_fraction": 0.5, "aggregation_timeout": "5 s",
        },
    ],
)  # fmt: skip
def test_it_keeps_its_promises_in_many_worlds(settings: dict[str, Any]) -> None:
    assert check_protocol("plexus", settings, worlds=50, seed=15)["merge"] > 10
