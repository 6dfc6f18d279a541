"""Cyclic weight transfer: one model that visits three clients, against times worked out by hand.

Client 0 trains for 2 s, client 1 for 3 and client 2 for 4. A message takes 0.25 s one way. To hand
the model on takes 1.75 s: an offer and its acknowledgement 0.5, the model 0.25 and 1 for its bytes.
"""

import itertools
from typing import Any

import pytest

from braintorrent.testing import Played, check_protocol, play
from braintorrent.testing.counters import Counters
from tests.sim.protocols.serving import crash

Row = tuple[float, float, str, str, str]
FIRST_LEGS = [
    (0.0, 2.0, "client_0", "train", ""),
    (2.5, 1.25, "client_0", "transfer", "client_1"),
]


def visits(until_s: float, settings: dict[str, Any] | None = None, **more: Any) -> Played:
    world: dict[str, Any] = {"round_s": [2.0, 3.0, 4.0], "latency_s": 0.25}
    return play("cyclic", settings, until_s=until_s, **(world | more))


def rows(played: Played) -> list[Row]:
    return [(r.time_s, r.duration_s, r.node, r.kind, r.peer) for r in played.rows]


def newest(played: Played, client: int) -> str:
    return played.world.clients[client].storage.model.name


def test_one_lap_is_training_on_one_client_after_another() -> None:
    played = visits(14.25)
    assert rows(played) == [
        *FIRST_LEGS,
        (3.75, 3.0, "client_1", "train", ""),
        (7.25, 1.25, "client_1", "transfer", "client_2"),
        (8.5, 4.0, "client_2", "train", ""),
        (13.0, 1.25, "client_2", "transfer", "client_0"),
    ]
    lineage = Counters(3)
    model = lineage.initial()
    for client in range(3):
        model = lineage.trained(model, client, 0)
        assert newest(played, client) == model.name
    assert played.world.clients[0].storage.received.name == model.name
    assert played.merges == []


def test_staleness_is_in_legs() -> None:
    # The third leg, number 2, came at 8.5.
    assert visits(3.5).running.staleness() == [0.0, 0.0, 0.0]
    assert visits(12.0).running.staleness() == [2.0, 1.0, 0.0]


def test_a_shuffled_order_is_drawn_for_each_lap() -> None:
    running: Any = visits(1.0, {"order": "shuffled"}, round_s=[2.0] * 8).running
    laps = [[running.visited(8 * lap + place) for place in range(8)] for lap in range(3)]
    assert all(sorted(lap) == list(range(8)) for lap in laps)
    assert len({tuple(lap) for lap in laps}) == 3


def test_who_ends_a_shuffled_lap_and_begins_the_next_is_visited_once() -> None:
    played = visits(60.0, {"order": "shuffled"}, round_s=[1.0] * 3)
    running: Any = played.running
    trained = [int(node[-1]) for _, node, _ in played.of("train")]
    visited = [running.visited(number) for number in range(60)]
    assert any(one == other for one, other in itertools.pairwise(visited[: len(trained)]))
    assert trained == [client for client, _ in itertools.groupby(visited)][: len(trained)]


def test_of_two_that_are_left_in_shuffled_laps_neither_holds_the_model_for_good() -> None:
    # Often the holder's own place in the next lap comes before the other's.
    faults, perfect = crash("client_1", "0 s"), {"kind": "perfect"}
    played = visits(60.0, {"order": "shuffled"}, faults=faults, failure_detection=perfect)
    trained = [node for _, node, _ in played.of("train")]
    assert len(trained) > 8
    assert all(one != other for one, other in itertools.pairwise(trained))


def test_a_client_alone_trains_again_and_again() -> None:
    played = visits(6.0, round_s=[2.0])
    assert played.of("train") == [(2.0 * i, "client_0", "train") for i in (1, 2, 3)]


def test_who_does_not_acknowledge_is_passed_over() -> None:
    # Client 1 is down and not suspected: the offer of 2 s is given up at 12, and client 2 is next.
    played = visits(17.75, faults=crash("client_1", "1 s"))
    assert rows(played)[1:] == [
        FIRST_LEGS[0],
        (2.0, 0.25, "client_0", "message_lost", "client_1"),
        (12.5, 1.25, "client_0", "transfer", "client_2"),
        (13.75, 4.0, "client_2", "train", ""),
    ]


def test_who_is_suspected_is_not_asked() -> None:
    faults, perfect = crash("client_1", "1 s"), {"kind": "perfect"}
    played = visits(3.75, faults=faults, failure_detection=perfect)
    assert rows(played)[1:] == [FIRST_LEGS[0], (2.5, 1.25, "client_0", "transfer", "client_2")]


def test_holder_that_comes_back_goes_on_from_its_storage() -> None:
    played = visits(19.75, faults=crash("client_1", "5 s", recovers_after="10 s"))
    assert rows(played)[2:] == [
        (5.0, 0.0, "client_1", "crash", ""),
        (3.75, 1.25, "client_1", "train_lost", ""),
        (15.0, 0.0, "client_1", "recover", ""),
        (15.0, 3.0, "client_1", "train", ""),
        (18.5, 1.25, "client_1", "transfer", "client_2"),
    ]


def test_model_is_lost_with_its_holder() -> None:
    # It stays away, or comes back without its storage; nobody begins anew.
    for fault in (
        crash("client_1", "5 s"),
        crash("client_1", "5 s", recovers_after="10 s", loses_storage=True),
        crash("client_0", "1 s", recovers_after="1 s", loses_storage=True),
    ):
        played = visits(500.0, faults=fault)
        assert played.events[-1][0] <= 15.0


def test_the_one_before_sends_it_again() -> None:
    # Client 1 sends heartbeats at 0, 5, ...; it crashes after that of 5, which is there at 5.25.
    # At 20.25 client 0 suspects it, and offers what it sent to the next.
    played = visits(26.0, {"resend": True}, faults=crash("client_1", "5 s"))
    assert rows(played)[4:] == [
        (20.75, 1.25, "client_0", "transfer", "client_2"),
        (22.0, 4.0, "client_2", "train", ""),
    ]
    assert played.rounds("client_2") == [1.0, 0.0, 1.0]


def test_of_two_copies_one_lives_on() -> None:
    # Client 1 is back at 7 and trains from its storage. Client 0 hears at 7.25 that it has started
    # anew, and sends the model to client 2, as leg 2. Client 1 hands on a leg 2, too: it's dropped.
    fault = crash("client_1", "5 s", recovers_after="2 s")
    played = visits(16.75, {"resend": True}, faults=fault)
    assert rows(played)[5:] == [
        (7.75, 1.25, "client_0", "transfer", "client_2"),
        (7.0, 3.0, "client_1", "train", ""),
        (10.5, 1.25, "client_1", "transfer", "client_2"),
        (9.0, 4.0, "client_2", "train", ""),
        (13.5, 1.25, "client_2", "transfer", "client_0"),
        (14.75, 2.0, "client_0", "train", ""),
    ]
    assert played.rounds("client_0") == [2.0, 0.0, 1.0]


def test_copy_that_was_cut_off_is_dropped_when_all_is_whole_again() -> None:
    # Client 0 suspects client 1 at 15.25 and sends its copy on; client 1 trains alone meanwhile.
    span = {"at": "4 s", "heals_after": "26 s"}
    cut = {"cut": {"kind": "partition", "groups": [["client_1"]], **span}}
    played = visits(60.0, {"resend": True}, faults=cut)
    # At 30.25 client 1 hears of the others again, and hands its leg 2 to client 2, which has had a
    # leg 5 by then. The model comes to client 1 itself at 36.
    late = [row[:3] for row in rows(played) if row[3] == "train" and row[0] > 30.0]
    assert late == [
        (32.25, 2.0, "client_0"),
        (36.0, 3.0, "client_1"),
        (40.75, 4.0, "client_2"),
        (46.5, 2.0, "client_0"),
        (50.25, 3.0, "client_1"),
        (55.0, 4.0, "client_2"),
    ]
    # What client 1 did alone is in nobody's model.
    assert played.rounds("client_2") == [4.0, 2.0, 4.0]


def test_who_looks_after_the_model_still_does_after_a_crash() -> None:
    # Client 1 loses its storage at 5. Client 0 was down from 4.5 to 6, and learns it then.
    faults = {
        "one": {"kind": "crash", "node": "client_1", "at": "5 s", "loses_storage": True},
        "other": {"kind": "crash", "node": "client_0", "at": "4.5 s", "recovers_after": "1.5 s"},
    }
    played = visits(40.0, {"resend": True}, faults=faults)
    # Since its own start it believes for a time-out that all are up.
    assert (21.5, 1.25, "client_0", "transfer", "client_2") in rows(played)


def test_failed_local_round_passes_the_model_on_as_it_is() -> None:
    faults = {"drop": {"kind": "client_dropout", "probability": 1.0, "nodes": ["client_1"]}}
    played = visits(20.0, faults=faults)
    assert played.rounds("client_2") == [1.0, 0.0, 1.0]
    assert played.rounds("client_1") == [0.0, 0.0, 0.0]


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{}, {"resend": True}, {"ack_timeout": "1 s"}])
def test_it_keeps_its_promises_in_many_worlds(settings: dict[str, Any]) -> None:
    assert check_protocol("cyclic", settings, worlds=50, seed=15)["transfer"] > 100
