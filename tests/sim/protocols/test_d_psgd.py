"""D-PSGD in tiny worlds: averages, waits and what a crash takes, worked out by hand.

Three clients train for 2, 3 and 2 s. All links carry 1024 B/s with a latency of 0.25 s, a model has
1024 B. Two models at a time take 2 s: what clients 0 and 2 send at 2 is there at 4.25, what client
1 sends at 3 is there at 5.25; they know it 0.25 s later.
"""

from typing import Any

import pytest

from braintorrent.testing import Played, play
from braintorrent.testing.kinds import PROTOCOL, chosen
from tests.sim import tiny
from tests.sim.protocols.promises import keeps_promises
from tests.sim.protocols.serving import crash, outage

ROUND_S = (2.0, 3.0, 2.0)
SAME_S = (2.0, 2.0, 2.0)
THIRD = 1 / 3


def played(
    until_s: float, round_s: tuple[float, ...] = SAME_S, latency_s: float = 0.25, **more: Any
) -> Played:
    settings = more.pop("settings", {})
    detection = {"kind": more.pop("detection", "perfect")}
    return play(
        "d_psgd",
        settings,
        until_s=until_s,
        round_s=round_s,
        latency_s=latency_s,
        failure_detection=detection,
        **more,
    )


def merges(run: Played, node: str) -> list[tuple[float, dict[str, float]]]:
    return [(merge.time_s, merge.weights) for merge in run.merges if merge.node == node]


def test_one_round_of_three_clients() -> None:
    run = played(5.5, ROUND_S)
    assert run.of("train", "transfer", "merge") == [
        (2.0, "client_0", "train"),
        (2.0, "client_2", "train"),
        (3.0, "client_1", "train"),
        *[(4.25, name, "transfer") for name in ("client_0", "client_0", "client_2", "client_2")],
        (5.25, "client_1", "transfer"),
        (5.25, "client_1", "transfer"),
        (5.25, "client_0", "merge"),
        (5.25, "client_2", "merge"),
        (5.5, "client_1", "merge"),  # It waits until it knows that its own has arrived.
    ]
    everyones = dict.fromkeys(("client_0.0", "client_1.0", "client_2.0"), THIRD)
    assert [merge.weights for merge in run.merges] == [everyones] * 3


def test_on_a_complete_graph_with_equal_sizes_it_is_fedavg_with_everyone() -> None:
    # To the last bit: equal names are equal rows in equal order, weights, rounds and seeds.
    ours, theirs = _received("d_psgd"), _received("fedavg")
    for mine, fedavgs in zip(ours, theirs, strict=True):
        assert len(mine) >= 5
        assert mine[:5] == fedavgs[:5]


def _received(kind: str) -> list[list[str]]:
    """By client the names of what it received, one after the other."""
    run = play(kind, until_s=0.0, round_s=ROUND_S, samples=[7, 7, 7])
    clients = run.world.clients
    found: list[dict[str, None]] = [{} for _ in clients]
    for until_s in range(60):
        tiny.run(run.world.clock, float(until_s))
        for names, node in zip(found, clients, strict=True):
            names[node.storage.received.name] = None
    return [list(names) for names in found]


@pytest.mark.parametrize(("push_s", "receive_s"), [(6.0, 3.0), (2.0, 8.0), (32.5, 0.5)])
def test_dead_neighbour_costs_the_sum_of_both_timeouts(push_s: float, receive_s: float) -> None:
    # Client 2 is gone before its first round is done: every round of the others takes the 2 s of
    # training, all of push_timeout and all of receive_timeout.
    times = {"push_timeout": f"{push_s} s", "receive_timeout": f"{receive_s} s"}
    run = played(150.0, settings=times, detection="none", faults=crash("client_2", "1 s"))
    period_s = 2.0 + push_s + receive_s
    expected = [number * period_s for number in range(1, int(150 / period_s) + 1)]
    for node in ("client_0", "client_1"):
        assert [time_s for time_s, _ in merges(run, node)] == expected
    # Whoever is missing leaves its weight to the node itself.
    first = {"client_0.0": pytest.approx(2 / 3), "client_1.0": THIRD}
    assert merges(run, "client_0")[0][1] == first


def test_detector_may_be_ignored_as_systems_do() -> None:
    settings = {"push_timeout": "6 s", "receive_timeout": "3 s", "skip_suspected": False}
    run = played(11.0, settings=settings, faults=crash("client_2", "1 s"))
    assert run.of("merge") == [(11.0, "client_0", "merge"), (11.0, "client_1", "merge")]


@pytest.mark.parametrize(("detection", "merged_s"), [("heartbeat", 15.25), ("perfect", 3.5)])
def test_who_is_suspected_is_not_waited_for(detection: str, merged_s: float) -> None:
    # The heartbeat of 0 is there at 0.25, and believed for 15 s. Without client 2, client 1 has the
    # uplinks for itself: 1 s from 2.25 on, known at 3.5. The next round takes 3.5 s either way.
    run = played(merged_s + 3.5, detection=detection, faults=crash("client_2", "1 s"))
    assert [time_s for time_s, _ in merges(run, "client_0")] == [merged_s, merged_s + 3.5]


def test_without_a_receive_timeout_a_ring_stops_at_the_distance_of_who_is_gone() -> None:
    # Client 0 crashes when it has finished a round, which nobody gets. Its neighbours wait for
    # that; theirs finish one round more, and so on.
    run = played(
        300.0,
        (2.0,) * 7,
        settings={"topology": "ring", "push_timeout": "4 s", "skip_suspected": False},
        faults=crash("client_0", "2 s"),
    )
    assert [node.rounds for node in run.world.clients] == [1, 1, 2, 3, 3, 2, 1]


@pytest.mark.parametrize(
    ("counts", "merged_s", "weights"),
    [
        ("senders", 18.0, {"client_0.0": THIRD, "client_1.0": THIRD, "client_3.0": THIRD}),
        ("messages", 6.0, {"client_0.0": pytest.approx(2 / 3), "client_1.1": THIRD}),
    ],
)
def test_listener_that_counts_messages_takes_two_of_one_sender(
    counts: str, merged_s: float, weights: dict[str, float]
) -> None:
    # A ring of four, of which client 3 trains for 16 s. Client 1 has both its neighbours' models
    # at 3, and sends its second from 4 to 6. For client 0, which waits for clients 1 and 3, these
    # are two messages; who counts senders has client 3's from 16 to 18.
    settings = {"topology": "ring", "counts": counts}
    run = played(24.0, (1.0, 1.0, 1.0, 16.0), latency_s=0.0, settings=settings)
    assert merges(run, "client_0")[0] == (merged_s, weights)


def test_model_that_comes_early_is_kept_for_its_round() -> None:
    run = played(60.0, (1.0, 1.0, 1.0, 16.0), latency_s=0.0, settings={"topology": "ring"})
    first, second = merges(run, "client_0")[:2]
    assert set(first[1]) == {"client_0.0", "client_1.0", "client_3.0"}
    assert set(second[1]) == {"client_0.1", "client_1.1", "client_3.1"}


def test_sender_crashes_in_the_middle_of_a_push() -> None:
    # At 2.75 a quarter of each model is through. Clients 0 and 2 have their links for themselves
    # then: the other three quarters take 0.75 s, the acknowledgements 0.25 s.
    run = played(4.0, faults=crash("client_1", "2.75 s"))
    lost = {(row.node, row.peer, row.cause) for row in run.rows if row.kind == "transfer_lost"}
    assert lost == {
        ("client_1", "client_0", "sender_down"),
        ("client_1", "client_2", "sender_down"),
        ("client_0", "client_1", "receiver_down"),
        ("client_2", "client_1", "receiver_down"),
    }
    assert run.of("merge") == [(3.75, "client_0", "merge"), (3.75, "client_2", "merge")]


def test_receiver_that_is_back_is_sent_the_model_again() -> None:
    # Nobody suspects anybody. Client 1 is back at 4, which clients 0 and 2 learn at 4.25; what they
    # send again takes 2 s of its downlink, from 4.5 on. It trains until 6, and what it sends then
    # is there at 8.25.
    run = played(8.25, detection="none", faults=outage("client_1", 2.75, 4.0))
    again = [row for row in run.rows if row.kind == "transfer" and row.peer == "client_1"]
    assert [(row.time_s, row.duration_s) for row in again] == [(4.25, 2.25), (4.25, 2.25)]
    assert run.of("merge")[:2] == [(8.25, "client_0", "merge"), (8.25, "client_2", "merge")]
    weights = merges(run, "client_0")[0][1]
    assert weights == dict.fromkeys(("client_0.0", "client_1.1", "client_2.0"), THIRD)


@pytest.mark.parametrize("loses_storage", [False, True])
@pytest.mark.parametrize("detection", ["perfect", "heartbeat"])
def test_who_was_away_goes_on_with_the_round_of_its_neighbours(
    loses_storage: bool, detection: str
) -> None:
    away = crash("client_2", "20 s", recovers_after="60 s", loses_storage=loses_storage)
    run = played(140.0, detection=detection, faults=away)
    assert len({node.storage.notes["round"] for node in run.world.clients}) == 1
    everyones = [merge.weights for merge in run.merges[-3:]]
    assert len(everyones[0]) == 3
    assert everyones == [everyones[0]] * 3


def test_crash_between_exchange_and_training_keeps_the_average() -> None:
    # Client 0 has averaged at 5.25, and crashes half a second into its second round.
    run = played(8.5, ROUND_S, faults=outage("client_0", 5.75, 6.0))
    (average, *_) = run.merges
    assert average.time_s == 5.25
    node = run.world.clients[0]
    assert node.storage.received.inputs == node.storage.model.inputs[0].inputs
    assert (8.0, "client_0", "train") in run.events


def test_failed_attempt_is_made_again_and_the_others_wait() -> None:
    always = {"no": {"kind": "client_dropout", "nodes": "client_1", "probability": 1.0}}
    run = played(60.0, settings={"receive_timeout": "4 s"}, faults=always)
    assert run.world.clients[1].rounds == 0
    # Acknowledged at 4.5, and 4 s of waiting for client 1.
    assert merges(run, "client_0")[0][0] == 8.5


def test_nonblocking_takes_what_has_come_since_the_last_average() -> None:
    # Client 0 sends at 2, 4 and 6, which is there 1.25 s later; client 1 at 3, there at 4.25. At 4
    # client 0 has nothing; at 6 each has the other's newest.
    run = played(6.0, (2.0, 3.0), settings={"exchange": "nonblocking"})
    assert run.merges[0].time_s == run.merges[1].time_s == 6.0
    assert merges(run, "client_0") == [(6.0, {"client_0.2": 0.5, "client_1.0": 0.5})]
    assert merges(run, "client_1") == [(6.0, {"client_1.1": 0.5, "client_0.1": 0.5})]
    assert run.world.clients[1].storage.merged == {0: 2}


def test_nonblocking_waits_for_nobody() -> None:
    settings = {"exchange": "nonblocking", "skip_suspected": False}
    run = played(40.0, settings=settings, detection="none", faults=crash("client_2", "1 s"))
    assert run.world.clients[0].rounds == 20


def test_nonblocking_has_one_push_at_a_time_under_way_to_each_neighbour() -> None:
    # A model takes 8 s, a round one: at 1 the first is sent, at 10, when it is known to be there,
    # the next.
    links = {"uplink": "128 B/s", "downlink": "1024 B/s"}
    settings = {"exchange": "nonblocking"}
    run = played(40.0, (1.0, 1.0), settings=settings, links=links)
    sent = [row.time_s for row in run.rows if row.kind == "transfer" and row.node == "client_0"]
    assert sent == [1.0, 10.0, 19.0, 28.0]


def test_received_is_the_average_and_trained_what_came_of_the_round() -> None:
    run = played(7.25, ROUND_S)
    storage = run.world.clients[0].storage
    assert len(storage.received.inputs) == 3
    assert storage.model.inputs == (storage.received,)
    # At 7.25 clients 0 and 2 are one round further than what anybody has merged.
    assert run.running.staleness() == [0.5, 1.0, 0.5]


@pytest.mark.parametrize(
    "settings",
    [
        {"topology": "ring"},
        {"counts": "messages", "receive_timeout": "5 s"},
        {"skip_suspected": False, "push_timeout": "8 s", "receive_timeout": "2 s"},
        {"exchange": "nonblocking"},
    ],
)
def test_keeps_its_promises_in_random_worlds(settings: dict[str, Any]) -> None:
    protocol = chosen(PROTOCOL, "d_psgd", settings)
    assert keeps_promises(protocol, 3, "merge", "crash", "transfer_lost")
