"""Epidemic learning in worlds of a few clients, against times worked out by hand."""

from collections import Counter
from typing import Any

import pytest

from braintorrent.testing import Merge, Played, check_protocol, play
from tests.sim.protocols.serving import crash


def epidemic(until_s: float, round_s: list[float], faults: Any = None, **settings: Any) -> Played:
    """A model takes a second on each link, and a merge a quarter for each model.

    Sample sizes differ, and count for nothing.
    """
    return play(
        "epidemic",
        settings,
        until_s=until_s,
        round_s=round_s,
        samples=range(1, len(round_s) + 1),
        merge_time="0.25 s",
        faults=faults,
    )


def test_each_at_its_own_pace_averages_what_has_come_by_the_end_of_its_local_round() -> None:
    # Client 1's model comes at 4, when client 0 has just begun its third local round. At 6 client 1
    # finds two models of client 0, and takes the last.
    played = epidemic(8.5, [2.0, 3.0])
    assert played.events == [
        (2.0, "client_0", "train"),
        (3.0, "client_1", "train"),
        (3.0, "client_0", "transfer"),
        (4.0, "client_0", "train"),
        (4.0, "client_1", "transfer"),
        (5.0, "client_0", "transfer"),
        (6.0, "client_1", "train"),
        (6.0, "client_0", "train"),
        (6.5, "client_1", "merge"),
        (6.5, "client_0", "merge"),
        (7.0, "client_1", "transfer"),
        (7.0, "client_0", "transfer"),
        (8.5, "client_0", "train"),
    ]
    assert played.merges == [
        Merge(6.5, "client_1", {"client_0.1": 1 / 2, "client_1.1": 1 / 2}),
        Merge(6.5, "client_0", {"client_0.2": 1 / 2, "client_1.0": 1 / 2}),
    ]
    # Client 0 has trained four times, client 1 twice.
    assert played.running.staleness() == [1.0, 2.0]
    # The merge is what it trained.
    assert played.rounds("client_0") == [1 + 3 / 2, 1 / 2]


def test_synchronous_rounds_are_those_of_the_paper() -> None:
    # All push to all: after each round everybody has the mean.
    played = epidemic(14.0, [2.0, 3.0, 2.5], peers="all", round_time="6 s")
    trained = [(2.0, "client_0"), (2.5, "client_2"), (3.0, "client_1")]
    later = [(time_s + 6.75, node) for time_s, node in trained]
    assert [event[:2] for event in played.of("train")] == [*trained, *later]
    assert [event[0] for event in played.of("merge")] == [6.75] * 3 + [12.75] * 3
    for number, merge in enumerate(played.merges):
        round_ = f"{number // 3}"
        assert merge.weights == {f"client_{client}.{round_}": 1 / 3 for client in range(3)}
    newest = {node.storage.newest.name for node in played.world.clients}
    assert len(newest) == 1


def test_who_is_not_done_when_the_round_ends_averages_at_the_end_of_the_next() -> None:
    played = epidemic(12.5, [2.0, 5.5], round_time="4 s")
    assert played.of("train", "merge") == [
        (2.0, "client_0", "train"),
        (5.5, "client_1", "train"),
        (6.0, "client_0", "train"),
        (8.5, "client_1", "merge"),
        (8.5, "client_0", "merge"),
        (10.5, "client_0", "train"),
    ]


@pytest.mark.parametrize(("clients", "number"), [(1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (9, 4)])
def test_a_client_pushes_to_log2_of_all(clients: int, number: int) -> None:
    played = epidemic(15.5, [2.0] * clients, round_time="16 s")
    pushed = Counter(row.node for row in played.rows if row.kind == "transfer")
    assert set(pushed.values()) == ({number} if number else set())
    assert len(pushed) == (clients if number else 0)


@pytest.mark.parametrize("node", ["client_0", "client_1"])
def test_a_crash_in_the_middle_of_a_push_loses_it(node: str) -> None:
    # Client 1's first local round lasts until 16: it is sent client 0's models at 2, 4, 6, ...
    played = epidemic(7.0, [2.0, 16.0], faults=crash(node, "2.5 s", recovers_after="1 s"))
    ends = [event[:1] + event[2:] for event in played.of("transfer", "transfer_lost")]
    if node == "client_0":  # It is back at 3.5, and trains the model that it has stored.
        assert ends == [(2.5, "transfer_lost"), (6.5, "transfer")]
        assert played.of("train") == [(2.0, node, "train"), (5.5, node, "train")]
    else:
        assert ends == [(2.5, "transfer_lost"), (5.0, "transfer"), (7.0, "transfer")]


def test_a_crash_leaves_the_average_to_be_trained_and_takes_what_has_come() -> None:
    # Client 0 has averaged at 6.5; when it is back, at 8, that is what it trains.
    played = epidemic(10.0, [2.0, 3.0], faults=crash("client_0", "7.5 s", recovers_after="0.5 s"))
    assert [event for event in played.of("train", "train_lost") if event[1] == "client_0"][3:] == [
        (7.5, "client_0", "train_lost"),
        (10.0, "client_0", "train"),
    ]
    assert played.rounds("client_0") == [1 + 3 / 2, 1 / 2]
    assert played.world.clients[0].inbox == []  # Client 1's model had come at 7.


def test_who_has_never_trained_merges_nothing_and_keeps_what_has_come() -> None:
    # Client 1 loses its storage at 4; the models of client 0 wait until it has trained, at 13.
    fault = crash("client_1", "4 s", recovers_after="1 s", loses_storage=True)
    played = epidemic(14.0, [2.0, 8.0], faults=fault)
    assert [merge for merge in played.merges if merge.node == "client_1"] == [
        Merge(13.5, "client_1", {"client_0.4": 1 / 2, "client_1.0": 1 / 2})
    ]


def test_who_has_failed_pushes_nothing_and_averages_if_it_ever_trained() -> None:
    # Client 1's first and third attempts fail, after 0.78 and 0.48 of their 8 s.
    luck = {"kind": "client_dropout", "nodes": ["client_1"], "probability": 0.5, "seed": 21}
    played = epidemic(26.0, [2.0, 8.0], faults={"luck": luck})
    assert [kind for _, node, kind in played.events if node == "client_1"] == [
        *("train_lost", "train", "merge", "transfer"),
        *("train_lost", "merge"),
    ]


@pytest.mark.slow
@pytest.mark.parametrize("round_time", [None, "5 s"])
@pytest.mark.parametrize("peers", [None, 1, "all"])
def test_what_all_protocols_promise_however_it_is_set(round_time: str, peers: Any) -> None:
    settings = {"round_time": round_time, "peers": peers}
    assert check_protocol("epidemic", settings, worlds=15)["merge"] > 0
