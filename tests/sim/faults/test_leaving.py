"""Clients that leave for good, and the best-connected ones that crash first: by hand."""

from typing import Any

import pytest

from braintorrent.testing import Broken, Played, check_fault, play
from sim.faults.leave import Leave
from sim.record.errors import ScenarioError
from sim.scenario import load

LATER = {"kind": "leave", "nodes": "client_0", "after_rounds": 2}
KINDS = ("crash", "leave", "recover")


def told(played: Played) -> list[tuple[float, str, str, float, str | None]]:
    """What became of nodes and their trainings: when it ended, its length and its cause."""
    return [
        (row.time_s + row.duration_s, row.node, row.kind, row.duration_s, row.cause)
        for row in played.rows
        if row.kind in (*KINDS, "train", "train_lost")
    ]


def test_a_client_leaves_when_its_rounds_are_done() -> None:
    # The second round is stored at 4; the third, begun at that instant, comes to nothing.
    played = play("local", until_s=20.0, round_s=[2.0, 9.0], faults={"end": LATER})
    assert told(played) == [
        (2.0, "client_0", "train", 2.0, None),
        (4.0, "client_0", "train", 2.0, None),
        (4.0, "client_0", "leave", 0.0, "end"),
        (4.0, "client_0", "train_lost", 0.0, "end"),
        (9.0, "client_1", "train", 9.0, None),
        (18.0, "client_1", "train", 9.0, None),
    ]


def test_a_client_leaves_at_a_time() -> None:
    fault = {"kind": "leave", "nodes": ["client_0"], "at": "3 s"}
    played = play("local", until_s=20.0, round_s=[2.0, 19.0], faults={"end": fault})
    assert told(played) == [
        (2.0, "client_0", "train", 2.0, None),
        (3.0, "client_0", "leave", 0.0, "end"),
        (3.0, "client_0", "train_lost", 1.0, "end"),
        (19.0, "client_1", "train", 19.0, None),
    ]


def test_who_is_down_leaves_too_and_never_recovers() -> None:
    faults = {
        "blow": {"kind": "crash", "node": "client_0", "at": "1 s", "recovers_after": "5 s"},
        "end": {"kind": "leave", "nodes": "client_0", "at": "2 s"},
    }
    played = play("local", until_s=20.0, round_s=[2.0, 19.0], faults=faults)
    assert played.of(*KINDS) == [(1.0, "client_0", "crash"), (2.0, "client_0", "leave")]
    assert played.of("train") == [(19.0, "client_1", "train")]


def test_a_round_that_was_lost_does_not_count() -> None:
    # Down from 3 to 5: the second round ends at 7.
    blow = {"kind": "crash", "node": "client_0", "at": "3 s", "recovers_after": "2 s"}
    played = play("local", until_s=9.0, round_s=[2.0], faults={"blow": blow, "end": LATER})
    assert played.of(*KINDS, "train") == [
        (2.0, "client_0", "train"),
        (3.0, "client_0", "crash"),
        (5.0, "client_0", "recover"),
        (7.0, "client_0", "train"),
        (7.0, "client_0", "leave"),
    ]


def test_the_last_model_stays_and_its_update_is_not_sent() -> None:
    # The server's two models share its link: both are there at 2, both rounds end at 4. What client
    # 1 begins to send then goes no further; client 0's update is there at 5, all that is awaited.
    played = play(
        "fedavg",
        {"deadline": "100 s"},
        until_s=5.5,
        round_s=[2.0, 2.0],
        failure_detection="perfect",
        faults={"end": {"kind": "leave", "nodes": "client_1", "after_rounds": 1}},
    )
    assert played.of("train", "leave", "round") == [
        (4.0, "client_0", "train"),
        (4.0, "client_1", "train"),
        (4.0, "client_1", "leave"),
        (5.0, "server", "round"),
    ]
    assert [row.updates for row in played.rows if row.kind == "round"] == [1]
    assert played.rounds("client_1") == [0.0, 1.0]


@pytest.mark.parametrize(
    ("written", "mistake"),
    [
        ("{kind: leave, nodes: clients}", "faults.end: needs one occasion; allowed: either at or"),
        ("{kind: leave, nodes: clients, at: 1 s, after_rounds: 1}", "faults.end: needs one occ"),
        ("{kind: leave, nodes: all, at: 1 s}", "faults.end.nodes: a server is no member that le"),
        ("{kind: leave, nodes: server, at: 1 s}", "faults.end.nodes: a server is no member that"),
        ("{kind: leave, nodes: [client_1, standby_1], at: 1 s}", "faults.end.nodes: a server is"),
        ("{kind: leave, nodes: clients, after_rounds: 0}", "faults.end.after_rounds: 0 is too sm"),
        ("{kind: leave, nodes: client_99, at: 1 s}", "faults.end.nodes: client_99 does not ex"),
        ("{kind: targeted, number: 1, at: 1 s}", "faults.end: in a complete topology nobody is"),
        ("{kind: targeted, number: 99, at: 1 s}", "faults.end.number: 99 clients of 10; allowed:"),
        ("{kind: targeted, number: 1, at: 1 s, by: luck}", "faults.end.by: 'luck' is not known"),
    ],
)
def test_mistakes(written: str, mistake: str) -> None:
    with pytest.raises(ScenarioError) as caught:
        load("no_faults", [f"faults.end={written}"])
    assert mistake in str(caught.value).splitlines()[0]


def test_who_lies_between_is_not_sought_among_too_many() -> None:
    attack = "{kind: targeted, number: 1, at: 1 s, by: betweenness}"
    with pytest.raises(ScenarioError, match=r"faults.end.by: takes too long to find among 2001"):
        load("no_faults", ["clients.count=2001", "topology=ring", f"faults.end={attack}"])


def attacked(protocol: str, pairs: Any, settings: Any = None, **attack: Any) -> Any:
    played = play(
        protocol,
        settings,
        until_s=100.0,
        round_s=[4.0] * 5,
        topology={"kind": "edges", "pairs": pairs},
        faults={"hubs": {"kind": "targeted", "at": "10 s", **attack}},
    )
    return played.of(*KINDS)


# Client 2 has three neighbours, client 3 has two, and the others have one each.
TREE = [[2, 0], [2, 1], [2, 3], [3, 4]]
PATH = [[0, 1], [1, 2], [2, 3], [3, 4]]


@pytest.mark.parametrize(
    ("protocol", "settings"),
    [("local", {}), ("fedavg", {"deadline": "30 s"}), ("braintorrent", {"topology": "ring"})],
)
def test_the_best_connected_crash_first_whatever_runs(protocol: str, settings: Any) -> None:
    attack = {"number": 3, "every": "5 s", "recovers_after": "7 s"}
    assert attacked(protocol, TREE, settings, **attack) == [
        (10.0, "client_2", "crash"),
        (15.0, "client_3", "crash"),
        (17.0, "client_2", "recover"),
        (20.0, "client_0", "crash"),
        (22.0, "client_3", "recover"),
        (27.0, "client_0", "recover"),
    ]


def test_those_between_the_others_come_first() -> None:
    # On a path three have two neighbours each, but the shortest paths meet in the middle.
    assert attacked("local", PATH, number=2) == [
        (10.0, "client_1", "crash"),
        (10.0, "client_2", "crash"),
    ]
    assert attacked("local", PATH, number=2, by="betweenness", every="1 s") == [
        (10.0, "client_2", "crash"),
        (11.0, "client_1", "crash"),
    ]


@pytest.mark.slow
def test_they_keep_what_faults_promise() -> None:
    assert check_fault("leave", LATER, worlds=20)["leave"] > 0
    assert check_fault("leave", {"nodes": "clients", "at": "6 s"}, worlds=20)["leave"] > 0
    attack = {"number": 1, "at": "2 s", "by": "betweenness", "recovers_after": "3 s"}
    assert check_fault("targeted", attack, worlds=20)["crash"] > 0


class Pretending(Leave):
    """Says that it comes at a time of its own."""

    @property
    def is_scheduled(self) -> bool:
        return True


def test_a_fault_that_pretends_to_be_scheduled_is_found_out() -> None:
    with pytest.raises(Broken, match="faults strike otherwise than without a protocol"):
        check_fault(Pretending, {**LATER, "after_rounds": 1}, worlds=4)


def test_who_falls_silent_is_missed_when_the_time_out_ends() -> None:
    detection = {"kind": "heartbeat", "interval": "1 s", "timeout": "3 s"}
    ends: list[float] = []
    for announced in (True, False):
        fault = {"kind": "leave", "nodes": "client_1", "at": "1 s", "announced": announced}
        played = play(
            "fedavg",
            {"deadline": "100 s"},
            until_s=12.0,
            round_s=[0.25, 8.0],
            faults={"end": fault},
            failure_detection=detection,
        )
        ends.append(played.of("round")[0][0])
    # Client 0's update is there at 2.75; what was heard last of client 1 came by 1.
    assert ends == [2.75, 4.0]
