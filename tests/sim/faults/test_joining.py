"""Clients that join, and what others know of who comes and goes: by hand.

Under FedAvg a model takes a second to each client, and each trains 2 s. Latency is 0.25 s one way:
with one client a round takes 1.25 + 2 + 1.25 = 4.5 s; with two, whose models share the server's
links both ways, 2.25 + 2 + 2.25 = 6.5 s.
"""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from braintorrent.testing import Played, check_fault, play
from sim.record.rows import TraceRow
from sim.world import Tie
from tests.sim import tiny

NONE = {"kind": "none"}
PERFECT = {"kind": "perfect"}
LIVES = ("join", "leave", "crash", "recover", "storage_lost")


def late(at: Any, *nodes: str, **more: Any) -> dict[str, Any]:
    return {"kind": "join", "nodes": list(nodes) or ["client_1"], "at": at, **more}


def gone(at: str, *nodes: str) -> dict[str, Any]:
    return {"kind": "leave", "nodes": list(nodes) or ["client_1"], "at": at}


def blow(node: str, at: str, after: str | None = None, **more: Any) -> dict[str, Any]:
    return {"kind": "crash", "node": node, "at": at, "recovers_after": after, **more}


def cut(at: str, lasts: str, *nodes: str) -> dict[str, Any]:
    return {"kind": "partition", "groups": [list(nodes)], "at": at, "heals_after": lasts}


def served(until_s: float, faults: dict[str, Any], clients: int = 2, **more: Any) -> Played:
    return play(
        "fedavg",
        {"deadline": "100 s"} | more.pop("settings", {}),
        until_s=until_s,
        round_s=[2.0] * clients,
        latency_s=0.25,
        faults=faults,
        **more,
    )


def rows(played: Played, *kinds: str) -> list[TraceRow]:
    return [row for row in played.rows if row.kind in kinds]


def rounds(played: Played) -> list[tuple[float, float, int | None, int | None]]:
    """When each server round began and ended, how many were asked, and how many updates came."""
    return [
        (row.time_s, row.time_s + row.duration_s, row.asked, row.updates)
        for row in rows(played, "round", "round_failed")
    ]


def lives(played: Played) -> list[tuple[float, str, str, str | None]]:
    return [(row.time_s, row.node, row.kind, row.cause) for row in rows(played, *LIVES)]


# -- a server and who joins --------------------------------------------------------------------


@pytest.mark.parametrize("detection", ["none", "heartbeat", "perfect"])
def test_who_joins_in_the_middle_of_a_round_is_in_the_next(detection: str) -> None:
    played = served(9.0, {"new": late("2 s")}, failure_detection={"kind": detection})
    assert played.of("join", "transfer", "train", "round") == [
        (1.25, "server", "transfer"),
        (2.0, "client_1", "join"),
        (3.25, "client_0", "train"),
        (4.5, "client_0", "transfer"),
        (4.5, "server", "round"),
        (6.75, "server", "transfer"),
        (6.75, "server", "transfer"),
        (8.75, "client_0", "train"),
        (8.75, "client_1", "train"),
    ]
    # What it trains is what the server had then: it has none of its own to begin with.
    assert played.rounds("client_1") == [1.0, 1.0]


@pytest.mark.parametrize("detection", [NONE, PERFECT])
@pytest.mark.parametrize(("at", "is_asked"), [("4.25 s", True), ("4.375 s", False)])
def test_the_word_takes_one_way(at: str, is_asked: bool, detection: Any) -> None:
    # The first round ends at 4.5: what is said at 4.25 arrives then.
    played = served(9.5, {"new": late(at)}, failure_detection=detection)
    assert [row[2] for row in rounds(played)] == [1] + [1] * (not is_asked)


def test_a_server_without_clients_waits_for_the_first() -> None:
    # Both times are drawn, so that nobody may be there at first. Each is told one way later.
    at = {"distribution": "uniform", "low": "0 s", "high": "8 s"}
    played = served(20.0, {"new": late(at, "client_0", "client_1")})
    (first_s, *_), (second_s, *_) = lives(played)
    assert 0.0 < first_s < second_s < 8.0
    assert rounds(played)[0] == pytest.approx((first_s + 0.25, first_s + 4.75, 1, 1))
    assert rounds(played)[1][2:] == (2, 2)


def test_a_server_that_all_have_left_waits() -> None:
    faults = {"end": gone("3 s", "client_0", "client_1")}
    played = served(60.0, faults, failure_detection=NONE)
    assert rounds(played) == [(0.0, 3.25, 2, 0)]
    assert played.rows[-1].kind == "round_failed"


def test_participation_is_of_those_that_there_are() -> None:
    # Of two members one is asked, of six three, and when three have left two: round(1.5) is even.
    faults = {
        "new": late("2 s", "client_2..client_5"),
        "end": gone("12 s", "client_3..client_5"),
    }
    played = served(30.0, faults, clients=6, settings={"participation": 0.5})
    assert [(row[0], row[2]) for row in rounds(played)][:2] == [(0.0, 1), (4.5, 3)]
    later = [row[2] for row in rounds(played) if row[0] > 12.25]
    assert later and set(later) == {2}


def test_a_partition_holds_the_word_up() -> None:
    # It is said at 2 and passes at 6: the round from 4.5 on is client 0's alone.
    faults = {"new": late("2 s"), "cut": cut("1 s", "5 s", "client_1")}
    played = served(12.0, faults, failure_detection=NONE)
    assert rounds(played) == [(0.0, 4.5, 1, 1), (4.5, 9.0, 1, 1)]
    assert [row.time_s for row in rows(played, "transfer") if row.peer == "client_1"] == [9.0]


def test_a_server_that_was_down_has_heard_of_who_joined() -> None:
    # It is back at 4. Client 0's update of the round that it has lost is late.
    faults = {"new": late("3 s"), "blow": blow("server", "3 s", "1 s")}
    played = served(10.0, faults, failure_detection=PERFECT)
    assert lives(played) == [
        (3.0, "client_1", "join", "new"),
        (3.0, "server", "crash", "blow"),
        (4.0, "server", "recover", "blow"),
    ]
    sent = [(row.time_s, row.peer) for row in rows(played, "transfer") if row.node == "server"]
    assert sent == [(0.0, "client_0"), (4.0, "client_0"), (4.0, "client_1")]


# -- a server and who leaves -------------------------------------------------------------------


@pytest.mark.parametrize("detection", [NONE, {"kind": "heartbeat"}])
def test_who_leaves_while_it_is_sent_a_model_is_waited_for_no_longer(detection: Any) -> None:
    # At 1 a quarter of each model is missing of 0.75: from then on client 0's has the link alone.
    played = served(6.0, {"end": gone("1 s")}, failure_detection=detection)
    assert played.of("leave", "transfer", "transfer_lost", "train", "round") == [
        (1.0, "client_1", "leave"),
        (1.0, "server", "transfer_lost"),
        (1.625, "server", "transfer"),
        (3.625, "client_0", "train"),
        (4.875, "client_0", "transfer"),
        (4.875, "server", "round"),
    ]
    assert rounds(played) == [(0.0, 4.875, 2, 1)]


@pytest.mark.parametrize("detection", [NONE, {"kind": "heartbeat"}])
def test_an_update_on_its_way_is_lost_with_who_leaves(detection: Any) -> None:
    # Both are trained at 4.25. At 5.5, where half a model has passed, client 1 leaves: the other
    # half of client 0's takes half a second more, instead of one.
    played = served(7.0, {"end": gone("5.5 s")}, failure_detection=detection)
    assert played.of("leave", "transfer_lost", "round") == [
        (5.5, "client_1", "leave"),
        (5.5, "client_1", "transfer_lost"),
        (6.0, "server", "round"),
    ]
    assert rounds(played) == [(0.0, 6.0, 2, 1)]
    assert played.rounds("client_1") == [0.0, 1.0]


def test_a_round_ends_when_the_word_of_the_last_one_missing_is_there() -> None:
    # Client 0's update is there at 5.5. Client 1 is slow, and trains until it leaves.
    played = served(8.0, {"slow": _slow("client_1"), "end": gone("7 s")}, failure_detection=NONE)
    assert rounds(played) == [(0.0, 7.25, 2, 1)]


def _slow(node: str) -> dict[str, Any]:
    return {"kind": "slowdown", "nodes": [node], "factor": 50, "at": "0 s", "lasts": "100 s"}


def test_who_leaves_while_it_is_down_cannot_say_so() -> None:
    # Nobody detects anything: each round lasts to its deadline, as if client 1 could come back.
    faults = {"blow": blow("client_1", "1 s", "2 s"), "end": gone("2 s")}
    played = served(30.0, faults, failure_detection=NONE, settings={"deadline": "10 s"})
    assert lives(played) == [
        (1.0, "client_1", "crash", "blow"),
        (2.0, "client_1", "leave", "end"),
    ]
    assert [(row[1], row[2]) for row in rounds(played)] == [(10.0, 2), (20.0, 2), (30.0, 2)]


def test_what_is_sent_before_the_word_is_there_is_lost_with_it() -> None:
    # The server opens its round at 4.5, of which client 1 leaves at 4.375; the order would arrive
    # at 4.75, and is broken off at 4.625, when it is known that nobody will ever answer it.
    faults = {"new": late("2 s"), "end": gone("4.375 s")}
    played = served(9.5, faults, failure_detection=NONE)
    assert rounds(played) == [(0.0, 4.5, 1, 1), (4.5, 9.0, 2, 1)]
    lost = [(row.time_s, row.duration_s, row.cause) for row in rows(played, "transfer_lost")]
    assert lost == [(4.5, 0.125, "abandoned")]


def test_who_has_left_keeps_what_it_has_stored() -> None:
    faults = {"end": gone("3 s"), "blow": blow("client_1", "5 s", "1 s", loses_storage=True)}
    played = play("local", until_s=9.0, round_s=[2.0, 2.0], faults=faults)
    assert lives(played) == [(3.0, "client_1", "leave", "end")]
    assert played.rounds("client_1") == [0.0, 1.0]


# -- a server without rounds -------------------------------------------------------------------


def sent_to_clients(faults: dict[str, Any], **settings: Any) -> list[tuple[float, float, str]]:
    """When each model that got there was sent, and when it was there, within 7 s."""
    played = play(
        "fedbuff",
        {"deadline": "100 s", "buffer": 1, **settings},
        until_s=7.0,
        round_s=[9.0, 2.0],
        latency_s=0.25,
        faults=faults,
        failure_detection=NONE,
    )
    return [
        (row.time_s, row.time_s + row.duration_s, row.peer)
        for row in rows(played, "transfer")
        if row.node == "server"
    ]


def test_without_rounds_who_joins_is_set_to_work_at_once() -> None:
    # Told at 2.25, there at 3.5; what it has trained is with the server at 6.75.
    assert sent_to_clients({"new": late("2 s")}) == [
        (0.0, 1.25, "client_0"),
        (2.25, 3.5, "client_1"),
    ]


def test_without_rounds_who_leaves_gives_its_place_to_another() -> None:
    # Client 0 would be at work until 12; at 4.25 it is known to have left.
    faults = {"new": late("2 s"), "end": gone("4 s", "client_0")}
    assert sent_to_clients(faults, concurrency=1) == [
        (0.0, 1.25, "client_0"),
        (4.25, 5.5, "client_1"),
    ]


# -- with other faults, at one instant ---------------------------------------------------------


def test_who_is_held_down_joins_when_it_comes_up() -> None:
    faults = {"blow": blow("client_1", "1 s", "4 s"), "new": late("3 s")}
    played = play("local", until_s=8.0, round_s=[9.0, 2.0], faults=faults)
    assert lives(played) == [(5.0, "client_1", "join", "new")]
    assert played.of("train") == [(7.0, "client_1", "train")]


@pytest.mark.parametrize("order", [("new", "blow"), ("blow", "new")])
def test_a_join_comes_before_a_crash_at_its_instant(order: tuple[str, str]) -> None:
    faults = {"new": late("3 s"), "blow": blow("client_1", "3 s", "1 s")}
    played = served(9.0, {each: faults[each] for each in order}, failure_detection=PERFECT)
    assert [(at, kind, cause) for at, _, kind, cause in lives(played)] == [
        (3.0, "join", "new"),
        (3.0, "crash", "blow"),
        (4.0, "recover", "blow"),
    ]
    assert rounds(played) == [(0.0, 4.5, 1, 1)]
    assert [row.time_s for row in rows(played, "transfer") if row.peer == "client_1"] == [4.5]


@pytest.mark.parametrize("order", [("end", "blow"), ("blow", "end")])
def test_a_leave_and_a_crash_at_one_instant_come_in_their_order(order: tuple[str, str]) -> None:
    faults = {"end": gone("1 s"), "blow": blow("client_1", "1 s", "1 s")}
    played = served(30.0, {each: faults[each] for each in order}, failure_detection=NONE)
    assert [(at, kind) for at, _, kind, _ in lives(played)] == [
        (1.0, "crash"),
        (1.0, "leave"),
    ][order[0] == "end" :]
    # Who goes down before it leaves can't say so: the transfer is given up after 30 s of silence.
    assert rounds(played)[:1] == [(0.0, 4.875, 2, 1)][order[0] == "blow" :]


def test_a_leave_and_a_crash_of_the_server_at_one_instant() -> None:
    # It is back at 2 with the word of who left, and asks client 0 alone.
    faults = {"end": gone("1 s"), "blow": blow("server", "1 s", "1 s")}
    played = served(7.0, faults, failure_detection=NONE)
    assert rounds(played) == [(2.0, 6.5, 1, 1)]


def test_who_leaves_before_it_has_come_never_comes() -> None:
    at = {"distribution": "uniform", "low": "3 s", "high": "9 s"}
    played = served(20.0, {"new": late(at), "end": gone("3.5 s")})
    assert lives(played) == []
    assert {row.asked for row in rows(played, "round")} == {1}


def test_two_that_join_and_leave_at_one_instant() -> None:
    faults = {"new": late("2 s", "client_1", "client_2"), "end": gone("2 s", "client_0")}
    played = served(11.0, faults, clients=3, failure_detection=NONE)
    assert lives(played) == [
        (2.0, "client_1", "join", "new"),
        (2.0, "client_2", "join", "new"),
        (2.0, "client_0", "leave", "end"),
    ]
    assert rounds(played) == [(0.0, 2.25, 1, 0), (2.25, 8.75, 2, 2)]


# -- the word ----------------------------------------------------------------------------------


@st.composite
def cuts(draw: st.DrawFn) -> dict[str, Any]:
    """Partitions, some of them one behind the other, each shorter than messages are held up."""
    spans = st.tuples(st.integers(0, 40), st.integers(1, 20))
    return {
        f"cut_{number}": cut(f"{at / 4} s", f"{lasts / 4} s", "client_1", "client_2")
        for number, (at, lasts) in enumerate(draw(st.lists(spans, max_size=4)))
    }


@settings(max_examples=20, deadline=None)
@given(cuts(), st.integers(1, 40), st.sampled_from([0.0, 0.25, 1.0, 3.0]))
def test_the_word_is_there_when_a_message_is(faults: Any, at: int, latency_s: float) -> None:
    # Client 2, on the same side as client 1, says at the same times what it likes.
    times_s = at / 4, at / 4 + 2.5
    faults |= {"new": late(f"{times_s[0]} s"), "end": gone(f"{times_s[1]} s")}
    latencies = latency_s * (1 - np.eye(3))
    described = tiny.scenario(latencies.tolist(), [9.0] * 3, {"local": {}}, faults=faults)
    world, _ = tiny.world(described, samples=[1] * 3, steps=[1] * 3)
    came_s: list[float] = []

    def say(_: Any) -> None:
        world.network.send(2, 0, delivered=lambda _: came_s.append(world.clock.now))

    for said_s in times_s:
        world.clock.at(said_s, Tie.FAULT).callbacks.append(say)
    tiny.run(world.clock, 200.0)
    assert world.network.heard_s(0, np.array([1]))[:, 0].tolist() == came_s


# -- draws -------------------------------------------------------------------------------------

DRAWN = {"distribution": "exponential", "mean": "20 s"}


def joined(protocol: str, *nodes: str, **more: Any) -> dict[str, float]:
    settings = {"deadline": "100 s"} if protocol == "fedavg" else {}
    faults = {"new": late(more.pop("at", DRAWN), *nodes, **more)}
    played = play(protocol, settings, until_s=1000.0, round_s=[90.0] * 6, faults=faults)
    return {row.node: row.time_s for row in rows(played, "join")}


def test_draws_are_the_nodes_own() -> None:
    some = joined("local", "client_1", "client_3")
    assert joined("fedavg", "client_1", "client_3") == some
    more = joined("local", "client_1", "client_2", "client_3")
    assert {node: more[node] for node in some} == some
    assert len(set(more.values())) == 3
    half = joined("local", "client_1", "client_3", at=DRAWN | {"mean": "10 s"})
    assert half == pytest.approx({node: at_s / 2 for node, at_s in some.items()})
    assert joined("local", "client_1", "client_3", seed=5) != some


def test_a_time_to_leave_may_be_drawn() -> None:
    fault = {"kind": "leave", "nodes": "clients", "at": DRAWN}
    played = [
        play("local", until_s=1000.0, round_s=[90.0] * clients, faults={"end": fault})
        for clients in (3, 4)
    ]
    three, four = ([(at, node) for at, node, *_ in lives(each)] for each in played)
    assert len(three) == 3 and len(four) == 4
    assert [one for one in four if one[1] != "client_3"] == three


# -- what is seen ------------------------------------------------------------------------------


def test_who_is_no_member_lags_behind_nobody_and_is_in_no_average() -> None:
    faults = {"new": late("100 s", "client_1"), "end": gone("5 s", "client_2")}
    played = served(30.0, faults, clients=3)
    with vars(played.world.clock)["witness"].looking():
        seen = {(one.node, one.stage): one for one in played.running.seen()}
    members = [seen[f"client_{number}", "trained"].is_member for number in range(3)]
    assert members == [True, False, False]
    assert [seen[f"client_{number}", "trained"].staleness for number in (1, 2)] == [0.0, 0.0]
    average, alone = seen["aggregate", "received"], seen["client_0", "trained"]
    assert average.model == alone.model
    assert average.local_round == alone.local_round > 1


@pytest.mark.slow
def test_it_keeps_what_faults_promise() -> None:
    for nodes in ("client_0", "clients"):
        assert check_fault("join", {"nodes": nodes, "at": DRAWN}, worlds=8)["join"] > 0
        assert check_fault("leave", {"nodes": nodes, "at": DRAWN}, worlds=8)["leave"] > 0
