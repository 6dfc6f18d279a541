"""FedAvg with standbys: what a takeover takes and loses, and that one server leads at a time.

The world is that of `serving`, with standbys as far from everybody as the server is. Heartbeats are
sent at 0, 5, 10, ...; a round takes 6.75 s, and one beside which a replica is sent 7.125 s: the
server's 2048 B/s are shared by three transfers of 1024 B, so each takes 1.375 s instead of 1 s.
"""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from braintorrent.testing import Played, check_protocol, play
from sim.protocols.shared.standby import Standbys
from sim.record.errors import ScenarioError
from sim.record.rows import TraceRow
from sim.world import Detector, Watch
from tests.sim import tiny
from tests.sim.protocols.serving import LINKS, SERVER, crash, outage

PERFECT = {"kind": "perfect"}
NEXT = {"late_updates": "next_round"}


def standing(
    until_s: float, faults: dict[str, Any] | None = None, standbys: int = 1, **more: Any
) -> Played:
    """Two clients and standbys under FedAvg or another `protocol`.

    All are 0.25 s from client 0 and 0.5 s from others.
    """
    nodes = 3 + standbys
    return play(
        more.pop("protocol", "fedavg"),
        {"deadline": "100 s", "standbys": standbys} | more.pop("settings", {}),
        until_s=until_s,
        round_s=(2.0, 2.25),
        latency_s=[[0.25 if 0 in (i, j) else 0.5 for j in range(nodes)] for i in range(nodes)],
        faults=faults,
        links=LINKS,
        server=SERVER,
        **more,
    )


def cut(*group: str, from_s: float, to_s: float) -> dict[str, Any]:
    span = {"at": f"{from_s} s", "heals_after": f"{to_s - from_s} s"}
    return {"cut": {"kind": "partition", "groups": [[*group]], **span}}


def rows(played: Played, *kinds: str) -> list[TraceRow]:
    return [row for row in played.rows if row.kind in kinds]


def elections(played: Played) -> list[tuple[float, float, str, int | None]]:
    """When each was begun, how long it took, who won it, and which round came next."""
    return [(row.time_s, row.duration_s, row.node, row.round) for row in rows(played, "lead")]


def replicas(played: Played) -> list[tuple[float, float, str, str]]:
    """When each was sent, how long it took, from whom, to whom."""
    return [
        (row.time_s, row.duration_s, row.node, row.peer)
        for row in rows(played, "transfer")
        if not row.node.startswith("client") and not row.peer.startswith("client")
    ]


def leaders(played: Played) -> dict[str, int]:
    """Who leads now, and in which term."""
    running = played.running
    assert isinstance(running, Standbys)
    return {running.nodes[index].name: running.rounds[index].term for index in running.leading}


# -- replicas ----------------------------------------------------------------------------------


def test_each_round_is_replicated_beside_the_next() -> None:
    played = standing(21.0)
    assert replicas(played) == [
        (6.75, 1.875, "server", "standby_1"),
        (13.875, 1.875, "server", "standby_1"),
    ]
    spans = [(row.time_s, row.duration_s) for row in rows(played, "round")]
    assert spans == [(0.0, 6.75), (6.75, 7.125), (13.875, 7.125)]


def test_replica_is_what_the_server_has_stored() -> None:
    server, standby = standing(16.0).world.servers
    assert server.storage.model is standby.storage.model
    assert (server.storage.rounds, standby.storage.rounds) == (2, 2)


def test_replica_is_sent_each_so_many_rounds() -> None:
    played = standing(62.0, settings={"replicate_every": 3})
    # Three rounds of 6.75 s, then one of 7.125 s and two of 6.75 s.
    assert [row[0] for row in replicas(played)] == [20.25, 40.875]


def test_replica_that_is_held_up_is_followed_by_the_newest() -> None:
    # The first is on its way when the standby is cut off, flows from 15 to 15.5, and the server
    # hears of it at 16; that of the round which ended at 13.5 has waited for that.
    played = standing(20.0, cut("standby_1", from_s=7.0, to_s=15.0))
    assert replicas(played) == [
        (6.75, 8.75, "server", "standby_1"),
        (16.0, 1.0, "server", "standby_1"),
    ]
    assert played.world.servers[1].storage.rounds == 2


def test_standby_that_has_lost_its_storage_is_sent_the_replica_again() -> None:
    # The third round's is there before the crash; the server hears at 31.5 that it is back.
    lost = crash("standby_1", "30 s", recovers_after="1 s", loses_storage=True)
    played = standing(36.0, lost, settings={"replicate_every": 3})
    assert [row[0] for row in replicas(played)] == [20.25, 31.5]
    assert played.world.servers[1].storage.rounds == 3


# -- takeover ----------------------------------------------------------------------------------


def test_standby_takes_over() -> None:
    # The server's last heartbeat, of 20, is at the standby at 20.5. From 35.5 on that asks the
    # clients for their votes, who suspect the server by then; the farther one's is there at 36.5,
    # and with its own these are three of four. It has the model of round 1: round 2 is done again.
    played = standing(43.25, crash("server", "21.5 s"))
    assert tiny.events(played.world.trace)[-8:] == [
        (35.5, 1.0, "standby_1", "lead", "", "round=2 asked=4 answered=3"),
        (36.5, 1.25, "standby_1", "transfer", "client_0", ""),
        (36.5, 1.5, "standby_1", "transfer", "client_1", ""),
        (37.75, 2.0, "client_0", "train", "", "round=3 attempt=3"),
        (38.0, 2.25, "client_1", "train", "", "round=3 attempt=3"),
        (39.75, 2.25, "client_0", "transfer", "standby_1", ""),
        (40.25, 2.5, "client_1", "transfer", "standby_1", ""),
        (36.5, 6.75, "standby_1", "round", "", "round=2 asked=2 updates=2"),
    ]


@pytest.mark.parametrize(
    ("detection", "suspected_s"),
    [
        (PERFECT, 21.5),
        ({"kind": "heartbeat"}, 20.5 + 15.0),
        ({"kind": "heartbeat", "interval": "2 s", "timeout": "3 s"}, 20.5 + 3.0),
    ],
)
def test_takeover_takes_detection_and_a_round_trip(
    detection: dict[str, Any], suspected_s: float
) -> None:
    played = standing(60.0, crash("server", "21.5 s"), failure_detection=detection)
    assert elections(played) == [(suspected_s, 1.0, "standby_1", 2)]
    orders = [row for row in rows(played, "transfer") if row.node == "standby_1"]
    assert orders[0].time_s == suspected_s + 1.0


@pytest.mark.parametrize(("every", "lost"), [(1, 0), (2, 1), (3, 2), (5, 0), (6, 5)])
def test_rounds_since_the_last_replica_are_lost(every: int, lost: int) -> None:
    # Five rounds take 33.75 s, and 1.5 s longer if four of them have replicas beside them; that of
    # the fifth takes 1.875 s at most.
    played = standing(80.0, crash("server", "38 s"), settings={"replicate_every": every})
    assert len([row for row in rows(played, "round") if row.node == "server"]) == 5
    assert [election[3] for election in elections(played)] == [5 - lost]


def test_two_standbys_take_over_in_turn() -> None:
    faults = crash("server", "21.5 s") | {"next": crash("standby_1", "60 s")["blow"]}
    played = standing(80.0, faults, standbys=2)
    # Heartbeats of 20 and 60 are the last.
    assert elections(played) == [(35.5, 1.0, "standby_1", 2), (75.5, 1.0, "standby_2", 5)]
    assert leaders(played) == {"standby_2": 2}


def test_standby_with_the_newer_model_takes_over() -> None:
    # Standby 1 is down while the second replica is sent. It asks for votes first, at 21.5, and
    # standby 2, asked at 22, stands itself.
    faults = outage("standby_1", 10.0, 20.0) | {"next": crash("server", "20.25 s")["blow"]}
    played = standing(40.0, faults, standbys=2, failure_detection=PERFECT)
    assert elections(played) == [(20.75, 1.0, "standby_2", 2)]


def test_nobody_leads_without_a_majority() -> None:
    # Of four nodes two are down.
    faults = crash("server", "21.5 s") | {"other": outage("client_1", 21.5, 60.0)["blow"]}
    played = standing(59.0, faults, failure_detection=PERFECT)
    assert (elections(played), leaders(played)) == ([], {})
    tiny.run(played.world.clock, 62.0)
    assert elections(played) == [(60.0, 1.0, "standby_1", 2)]


def test_candidate_tries_again_while_voters_believe_in_the_leader() -> None:
    # Client 1, back at 30, suspects nobody before 45. It refuses at 36, 38 and 41; the waits after
    # its answers are 1, 2 and 4 s.
    faults = crash("server", "21.5 s") | {"other": outage("client_1", 20.0, 30.0)["blow"]}
    assert [row[:3] for row in elections(standing(50.0, faults))] == [(45.5, 1.0, "standby_1")]


@pytest.mark.parametrize("late", [True, False])
def test_update_of_an_old_term_goes_to_the_new_leader_if_it_counts(late: bool) -> None:
    # The clients finish at 17.5 and 18; the server is gone. Its last heartbeat is of 15.
    played = standing(45.0, crash("server", "17.25 s"), settings=NEXT if late else {})
    assert elections(played) == [(30.5, 1.0, "standby_1", 2)]
    told = [(row.node, row.peer, row.round) for row in rows(played, "update_late")]
    expected = [("standby_1", "client_0", 2), ("standby_1", "client_1", 2)]
    assert told == (expected if late else [])


HALF_STALE = 2**-0.5 / 2


@pytest.mark.parametrize(
    ("protocol", "settings", "end_s", "weights"),
    [
        (
            "fedasync",
            {"mixing": 0.5},
            24.25,
            {"average.1": 1 - HALF_STALE, "client_0.1": HALF_STALE},
        ),
        (
            "fedbuff",
            {"buffer": 2},
            24.75,
            {"average.0": 0.5, "client_0.1": HALF_STALE, "initial": -HALF_STALE, "client_1.1": 0.5},
        ),
    ],
)
def test_server_without_rounds_is_taken_over_with_updates_of_the_old_term(
    protocol: str, settings: dict[str, Any], end_s: float, weights: dict[str, float]
) -> None:
    # Client 0 has answered at 5.75, client 1 at 6.5, and both are in the replica that is there at
    # 8.75, or 8 where they make one step. What they train next, of what the old leader sent them,
    # is under way at its crash; the last heartbeat is of 5. The new leader, elected at 21.5, is
    # sent client 0's at 21.75 and has it at 24; client 1's comes at 24.5.
    played = standing(end_s, crash("server", "9.5 s"), protocol=protocol, settings=settings)
    assert [election[:3] for election in elections(played)] == [(20.5, 1.0, "standby_1")]
    last = played.merges[-1]
    assert (last.time_s, last.node) == (end_s, "standby_1")
    assert last.weights == pytest.approx(weights)


# -- the old leader's return -------------------------------------------------------------------


def test_server_that_is_back_in_time_is_elected_again() -> None:
    # Nobody has missed it yet. Its checkpoint has one round more than the standby's replica.
    played = standing(31.0, outage("server", 21.5, 22.5))
    assert elections(played) == [(22.5, 1.0, "server", 3)]
    assert leaders(played) == {"server": 2}


def test_server_that_is_back_without_its_storage_yields_to_the_standby() -> None:
    # Asked at 23 by who has nothing, the standby stands at once.
    lost = crash("server", "21.5 s", recovers_after="1 s", loses_storage=True)
    played = standing(31.0, lost)
    assert elections(played) == [(23.0, 1.0, "standby_1", 2)]
    assert replicas(played)[-1] == (24.0, 1.875, "standby_1", "server")
    server, standby = played.world.servers
    assert server.storage.model is standby.storage.model


def test_server_that_is_back_too_late_becomes_a_standby() -> None:
    # Its heartbeat of 51 is at the leader at 51.5, which sends it a replica at once.
    played = standing(54.0, outage("server", 21.5, 51.0))
    assert elections(played) == [(35.5, 1.0, "standby_1", 2)]
    assert replicas(played)[-1] == (51.5, 1.0, "standby_1", "server")
    assert leaders(played) == {"standby_1": 1}
    # And is there for the next takeover.
    played = standing(
        80.0, outage("server", 21.5, 51.0) | {"b": crash("standby_1", "62 s")["blow"]}
    )
    assert elections(played)[1:] == [(75.5, 1.0, "server", 5)]


# -- split brain -------------------------------------------------------------------------------

MINORITY = ("server", "client_0")


def test_leader_that_is_cut_off_with_a_minority_steps_down() -> None:
    # Of five nodes three are on the other side, and elect standby 1 at once.
    played = standing(20.5, cut(*MINORITY, from_s=20.0, to_s=40.0), 2, failure_detection=PERFECT)
    assert leaders(played) == {}
    tiny.run(played.world.clock, 39.0)
    assert elections(played) == [(20.0, 1.0, "standby_1", 2)]
    assert leaders(played) == {"standby_1": 1}
    # When it heals client 0 and the old leader follow the new one.
    tiny.run(played.world.clock, 80.0)
    assert leaders(played) == {"standby_1": 1}
    assert {row.node for row in rows(played, "round") if row.time_s > 20.0} == {"standby_1"}
    assert played.rows[-1].time_s > 70.0


def test_partition_that_is_not_noticed_in_time_leaves_one_leader_in_the_end() -> None:
    # The heartbeats of 15 are the last to pass: both sides find out at 30.5.
    played = standing(30.25, cut(*MINORITY, from_s=20.0, to_s=40.0), standbys=2)
    assert leaders(played) == {"server": 0}
    tiny.run(played.world.clock, 31.0)
    assert leaders(played) == {}
    tiny.run(played.world.clock, 60.0)
    assert leaders(played) == {"standby_1": 1}


def test_leader_that_has_nobody_from_the_start_steps_down_with_what_it_has_stored() -> None:
    # It stands when everybody is there, and the votes take a second.
    alone = cut("server", from_s=0.0, to_s=0.25)
    played = standing(2.0, alone, failure_detection=PERFECT, settings={"server_optimizer": "adam"})
    assert elections(played) == [(0.25, 1.0, "server", 0)]
    storage = played.world.servers[0].storage
    assert (storage.model, storage.rounds) == (played.world.lineage.initial(), 0)
    assert storage.notes["server_optimizer"] == ()


def test_leader_with_a_majority_goes_on() -> None:
    group = ("standby_1", "client_0")
    played = standing(60.0, cut(*group, from_s=20.0, to_s=40.0), 2, failure_detection=PERFECT)
    assert (elections(played), leaders(played)) == ([], {"server": 0})


def test_leader_that_goes_on_has_one_watch_of_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    watched: list[Watch] = []
    begin, end = Detector.begin, Detector.end

    def begins(detector: Detector, watch: Watch) -> None:
        begin(detector, watch)
        watched.append(watch)

    def ends(detector: Detector, watch: Watch) -> None:
        end(detector, watch)
        watched.remove(watch)

    monkeypatch.setattr(Detector, "begin", begins)
    monkeypatch.setattr(Detector, "end", ends)
    down = outage("client_1", 20.0, 30.0) | {"again": outage("client_1", 40.0, 50.0)["blow"]}
    played = standing(60.0, down, failure_detection=PERFECT)
    (server, _) = played.world.servers
    others = [watch for watch in watched if watch.observer == server.index]
    assert [watch.peers.tolist() for watch in others].count([0, 1, 3]) == 1


# -- who comes and goes ------------------------------------------------------------------------


def joining(at: str, *nodes: str) -> dict[str, Any]:
    return {"new": {"kind": "join", "nodes": [*nodes], "at": at}}


def leaving(at: str, *nodes: str) -> dict[str, Any]:
    return {"end": {"kind": "leave", "nodes": [*nodes], "at": at}}


def test_who_joins_reports_to_the_standby_that_leads() -> None:
    # Of the three that have a vote two are left. Who has joined at 30 is in the round from 32 on.
    faults = crash("server", "20 s") | joining("30 s", "client_1")
    played = standing(38.75, faults, failure_detection=PERFECT)
    assert elections(played) == [(20.0, 0.5, "standby_1", 3)]
    (lead,) = rows(played, "lead")
    assert (lead.asked, lead.answered) == (3, 2)
    sent = [
        (row.time_s, row.peer)
        for row in rows(played, "transfer")
        if "client_1" in (row.node, row.peer)
    ]
    assert sent == [(32.0, "client_1"), (35.75, "standby_1")]
    assert rows(played, "round")[-1].updates == 2


def test_who_has_left_is_missing_to_no_majority() -> None:
    # Of four nodes two are left, which is no majority, unless client 1 has said that it goes.
    down = crash("server", "20 s")
    played = standing(60.0, down | {"b": crash("client_1", "10 s")["blow"]})
    assert elections(played) == []
    played = standing(60.0, down | leaving("10 s", "client_1"))
    assert [row[2] for row in elections(played)] == ["standby_1"]


def test_a_minority_that_lets_clients_join_makes_no_leader() -> None:
    # Behind the cut standby 1 has client 0 and three that join there: five of eight nodes, but of
    # the five that were there first, two.
    far = ("standby_1", "client_0", "client_2", "client_3", "client_4")
    played = play(
        "fedavg",
        {"deadline": "100 s", "standbys": 2},
        until_s=39.0,
        round_s=[2.0] * 5,
        failure_detection=PERFECT,
        faults=cut(*far, from_s=20.0, to_s=40.0) | joining("25 s", *far[2:]),
    )
    assert (elections(played), leaders(played)) == ([], {"server": 0})
    tiny.run(played.world.clock, 80.0)
    assert leaders(played) == {"server": 0}
    assert rows(played, "round")[-1].updates == 5


@st.composite
def outages(draw: st.DrawFn) -> dict[str, Any]:
    """Crashes of any nodes, partitions, and clients that join and leave; all over after 60 s."""
    standbys, clients = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    servers = ["server", *(f"standby_{number + 1}" for number in range(standbys))]
    names = [*servers, *(f"client_{number}" for number in range(clients))]
    faults: dict[str, Any] = {}
    for number in range(draw(st.integers(0, 6))):
        from_s = draw(st.integers(0, 160)) / 4
        lasts_s = draw(st.integers(1, 80)) / 4
        if draw(st.booleans()):
            group = draw(st.sets(st.sampled_from(names), min_size=1, max_size=len(names) - 1))
            faults[f"{number}"] = cut(*sorted(group), from_s=from_s, to_s=from_s + lasts_s)["cut"]
        else:
            node = draw(st.sampled_from(servers * 3 + names))
            faults[f"{number}"] = outage(node, from_s, from_s + lasts_s)["blow"]
    for kind, others in (("join", names[len(servers) + 1 :]), ("leave", names[len(servers) :])):
        for node in draw(st.sets(st.sampled_from(others), max_size=3)) if others else ():
            # Whoever leaves has come.
            at_s = draw(st.integers(1, 80)) / 4 + (20 if kind == "leave" else 0)
            faults[f"{node}_{kind}"] = {"kind": kind, "nodes": [node], "at": f"{at_s} s"}
    return {
        "settings": {
            "standbys": standbys,
            "replicate_every": draw(st.integers(1, 3)),
            "deadline": "10 s",
            **draw(st.sampled_from([{}, NEXT])),
        },
        "round_s": [1.0] * clients,
        "faults": faults,
        "latency_s": draw(st.sampled_from([0.0, 0.25, 1.0])),
        "failure_detection": draw(
            st.sampled_from(
                [PERFECT, {"kind": "heartbeat"}, {"kind": "heartbeat", "timeout": "6 s"}]
            )
        ),
    }


def has_votes(played: Played) -> bool:
    """Whether a majority of those who have a vote, as all know, is up."""
    joined = {row.node for row in rows(played, "join")}
    running, (server, *_) = played.running, played.world.servers
    assert isinstance(running, Standbys)
    voters = [running.nodes[index] for index in running.voters(server)]
    assert not joined & {node.name for node in voters}
    return 2 * sum(not node._held_by for node in voters) > len(voters)


def check_leaders(world: dict[str, Any]) -> None:
    """Terms rise, have one leader each, and in the end there is one, if there are the votes.

    If all is known at once, there are never two.
    """
    played = play("fedavg", world.pop("settings"), until_s=0.0, **world)
    is_perfect = world["failure_detection"] == PERFECT
    led: dict[int, str] = {}
    for quarter in range(4 * 60):
        tiny.run(played.world.clock, quarter / 4)
        for name, term in leaders(played).items():
            assert term in led or all(term > other for other in led)
            assert led.setdefault(term, name) == name
        assert not (is_perfect and len(leaders(played)) > 1)
    tiny.run(played.world.clock, 200.0)
    assert len(leaders(played)) == has_votes(played)
    following: dict[str, int | None] = {}
    for row in rows(played, "lead", "round"):
        if row.kind == "round" and row.node in following:
            assert row.round == following[row.node]
        following[row.node] = (row.round or 0) + (row.kind == "round")


@settings(max_examples=10, deadline=None)
@given(outages())
def test_each_term_has_one_leader(world: dict[str, Any]) -> None:
    check_leaders(world)


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(outages())
def test_each_term_has_one_leader_in_very_many_worlds(world: dict[str, Any]) -> None:
    check_leaders(world)


# -- what is seen and refused ------------------------------------------------------------------


def test_server_is_whoever_leads() -> None:
    played = standing(30.0, crash("server", "21.5 s"))

    def seen() -> tuple[bool, int, Any]:
        witness = vars(played.world.clock)["witness"]
        with witness.looking():
            (found,) = (one for one in played.running.seen() if one.node == "server")
        return found.up, found.local_round, found.model

    # Nobody leads; the newest model is in the storage of the server that is down.
    stored = [(node.storage.rounds, node.storage.model) for node in played.world.servers]
    assert [number for number, _ in stored] == [3, 2]
    assert seen() == (False, *stored[0])
    tiny.run(played.world.clock, 37.0)
    assert seen() == (True, *stored[1])
    tiny.run(played.world.clock, 44.0)
    assert seen()[:2] == (True, 3)


def test_standbys_need_failure_detection() -> None:
    with pytest.raises(ScenarioError, match="needs to find out who is down, and") as error:
        standing(1.0, failure_detection={"kind": "none"})
    assert str(error.value).startswith("tiny: protocols.it: needs to find out")
    assert standing(1.0, standbys=0, failure_detection={"kind": "none"})


def test_there_are_at_most_nine() -> None:
    with pytest.raises(ScenarioError, match=r"fedavg: standbys: .*; allowed: "):
        play("fedavg", {"standbys": 10}, until_s=1.0, round_s=[1.0])
    with pytest.raises(ScenarioError, match="'standby_2' is neither a node nor a group"):
        standing(1.0, crash("standby_2", "1 s"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings", [{"standbys": 1}, {"standbys": 3, "replicate_every": 3} | NEXT, {"standbys": 9}]
)
def test_promises_hold_in_very_many_random_worlds(settings: dict[str, Any]) -> None:
    assert check_protocol("fedavg", {"deadline": "10 s"} | settings, worlds=40, seed=3)["lead"]
