"""Clients that join and leave where there is no server, against times worked out by hand.

A model's bytes take a second on a link that carries nothing else, a message 0.25 s one way, and
merging no time. Who joins asks client by client, from the lowest number on. Nobody is suspected:
heartbeats are believed for 15 s.
"""

from pathlib import Path
from typing import Any

import pytest

from braintorrent.testing import Merge, Played, play, scripted
from braintorrent.testing.counters import Counters
from sim.protocols.swarm import Swarming
from sim.record.rows import AGGREGATE
from sim.world import Streams
from tests.sim import tiny
from tests.sim.protocols.merging import merging, until
from tests.sim.protocols.serving import crash, outage
from tests.sim.protocols.test_push_sum import total

Row = tuple[float, float, str, str, str]
HALF, THIRD = 1 / 2, 1 / 3
NEVER = {"kind": "none"}
SETTINGS: dict[str, Any] = {"gossip": {"period": "4 s"}}
PUSHING = ("gossip", "epidemic", "push_sum", "d_psgd", "ad_psgd")


def joins(*nodes: str, at: str, starts_from: str = "peers") -> dict[str, Any]:
    return {"late": {"kind": "join", "nodes": nodes, "at": at, "starts_from": starts_from}}


def leaves(node: str, at: str) -> dict[str, Any]:
    return {"away": {"kind": "leave", "nodes": node, "at": at}}


def played(kind: str, until_s: float, settings: Any = None, **more: Any) -> Played:
    """Three clients that train for 2 s each, where nothing else is said."""
    world: dict[str, Any] = {"round_s": [2.0, 2.0, 2.0], "latency_s": 0.25}
    return play(kind, settings, until_s=until_s, **(world | more))


def rows(run: Played, *kinds: str, node: str = "") -> list[Row]:
    """Start, duration, node, kind and peer; of all kinds and nodes, or of these."""
    return [
        (r.time_s, r.duration_s, r.node, r.kind, r.peer)
        for r in run.rows
        if (not kinds or r.kind in kinds) and node in ("", r.node)
    ]


def merges(run: Played, node: str) -> list[tuple[float, dict[str, float]]]:
    return [(merge.time_s, merge.weights) for merge in run.merges if merge.node == node]


# -- BrainTorrent ------------------------------------------------------------------------------


@pytest.mark.parametrize("detection", ["none", "heartbeat", "perfect"])
def test_newcomer_averages_what_its_peers_hold_and_trains_that(detection: str) -> None:
    # Clients 0 and 1 have trained by 2 and are at each other's model until 4, when client 2 joins
    # at 3. It pings until 3.5; what it asks for is sent at 3.75, and shares its downlink from 4 on.
    found = {"kind": detection}
    late = joins("client_2", at="3 s")
    run = played("braintorrent", 8.0, faults=late, failure_detection=found)
    assert rows(run, node="client_2") == [
        (3.0, 0.0, "client_2", "join", ""),
        (3.0, 0.5, "client_2", "ping", ""),
        (6.0, 0.0, "client_2", "merge", ""),
        (6.0, 2.0, "client_2", "train", ""),
    ]
    assert merges(run, "client_2") == [(6.0, {"client_0.0": HALF, "client_1.0": HALF})]
    # Nobody has heard of it at 2; at 6, when the others have trained again, all have.
    asked = [(row.time_s, row.asked) for row in run.rows if row.kind == "ping"]
    assert sorted(asked[:5]) == [(2.0, 1), (2.0, 1), (3.0, 2), (6.0, 2), (6.0, 2)]


def test_newcomers_first_merge_is_the_average_of_the_others() -> None:
    run = played("braintorrent", 6.0, samples=[1, 3, 9], faults=joins("client_2", at="3 s"))
    lineage = Counters(3)
    theirs = tuple(lineage.trained(lineage.initial(), client, 0) for client in (0, 1))
    average = lineage.combined(theirs, (1 / 4, 3 / 4))
    assert run.world.clients[2].storage.received.name == average.name


def test_newcomer_that_has_trained_nothing_is_in_no_average_of_what_all_have_trained() -> None:
    # Client 0 has trained by 4; client 2 pings client 1 until 6.5.
    world, running = merging(faults=joins("client_2", at="4.5 s"))
    tiny.run(world.clock, 5.0)
    assert world.clients[2].storage.is_newcomer
    (aggregate,) = (one.model for one in running.seen() if one.node == AGGREGATE)
    assert aggregate is world.averaged({i: world.clients[i].storage.model for i in (0, 1)})


def test_newcomer_in_lockstep_merges_when_all_train() -> None:
    # One of the others merges from 2 to 4. Then both train, and their models of 2 are at client 2,
    # which has pinged and asked, from 5 to 7.
    settings = {"schedule": "lockstep"}
    run = played("braintorrent", 9.0, settings, faults=joins("client_2", at="3 s"))
    assert merges(run, "client_2") == [(7.0, {"client_0.0": HALF, "client_1.0": HALF})]
    trained = [(0.0, 2.0)] * 2 + [(4.0, 2.0)] * 2 + [(7.0, 2.0)]
    assert [row[:2] for row in rows(run, "train")] == trained


@pytest.mark.parametrize("schedule", ["random_initiator", "lockstep"])
def test_turn_is_over_without_who_leaves_though_nobody_detects_anything(schedule: str) -> None:
    settings, world = {"schedule": schedule}, {"round_s": [2.0, 2.0, 4.0]}
    away = leaves("client_2", "3 s")
    run = played("braintorrent", 3.5, settings, faults=away, failure_detection=NEVER, **world)
    assert run.world.clients[0].rounds == run.world.clients[1].rounds == 1
    later = played("braintorrent", 9.0, settings, faults=away, failure_detection=NEVER, **world)
    assert [row[0] for row in rows(later, "ping")][:1] == [3.0]


@pytest.mark.parametrize("detection", ["none", "heartbeat", "perfect"])
def test_who_leaves_in_the_middle_of_a_transfer_is_given_up_when_its_word_is_there(
    detection: str,
) -> None:
    # All are at each other's models, two at a time, from 3 on. Half of each is there at 4; the
    # other half of those that go on takes half a second.
    found = {"kind": detection}
    away = leaves("client_2", "4 s")
    run = played("braintorrent", 6.5, faults=away, failure_detection=found)
    lost = rows(run, "transfer_lost")
    assert sorted(lost) == [
        *[(2.75, 1.25, name, "transfer_lost", "client_2") for name in ("client_0", "client_1")],
        *[(2.75, 1.25, "client_2", "transfer_lost", name) for name in ("client_0", "client_1")],
    ]
    for name in ("client_0", "client_1"):
        assert merges(run, name) == [(4.5, {"client_0.0": HALF, "client_1.0": HALF})]
    # The next ones are trained at 6.5; nobody is behind client 2.
    assert run.running.staleness()[:2] == [1.0, 1.0]


@pytest.mark.parametrize(("first", "merged_s"), [("away", 4.5), ("blow", 34.0)])
def test_who_crashes_as_it_leaves_may_have_no_time_to_say_so(first: str, merged_s: float) -> None:
    # Nobody detects anything: without a word the bytes are waited for for 30 s.
    faults = leaves("client_2", "4 s") | crash("client_2", "4 s")
    ordered = {name: faults[name] for name in sorted(faults, key=lambda name: name != first)}
    run = played("braintorrent", merged_s, faults=ordered, failure_detection=NEVER)
    assert merges(run, "client_0")[:1] == [(merged_s, {"client_0.0": HALF, "client_1.0": HALF})]


@pytest.mark.parametrize(
    ("faults", "told"),
    [
        (outage("client_2", 2.5, 6.5), [(6.5, "join")]),
        (outage("client_2", 3.0, 6.5), [(3.0, "join"), (3.0, "crash"), (6.5, "recover")]),
    ],
)
def test_who_is_down_or_crashes_when_it_is_to_join_is_a_newcomer_when_it_comes_up(
    faults: dict[str, Any], told: list[tuple[float, str]]
) -> None:
    run = played("braintorrent", 12.0, faults=joins("client_2", at="3 s") | faults)
    life = rows(run, "join", "crash", "recover", node="client_2")
    assert [(row[0], row[3]) for row in life] == told
    assert set(merges(run, "client_2")[0][1]) == {"client_0.1", "client_1.1"}


def test_peer_that_crashes_as_another_joins_is_asked_in_vain() -> None:
    # Its answer is awaited for three round trips. Client 0, whose link is free, is asked at 4.75.
    faults = crash("client_1", "3 s") | joins("client_2", at="3 s")
    detection = {"kind": "perfect"}
    run = played("braintorrent", 6.0, faults=faults, failure_detection=detection)
    assert rows(run, node="client_2") == [
        (3.0, 0.0, "client_2", "join", ""),
        (3.0, 1.5, "client_2", "ping", ""),
        (6.0, 0.0, "client_2", "merge", ""),
    ]
    lineage = Counters(3)
    theirs = lineage.trained(lineage.initial(), 0, 0)
    assert run.world.clients[2].storage.received.name == theirs.name


def test_copies_of_who_has_left_complete_its_model() -> None:
    # Chunks of 256 B, no latency. Client 2's first model is at client 1 at 4, which gave its second
    # at 3. Client 0, done at 4.25, has a chunk of either at 4.75 and an eighth of both seconds when
    # client 2 leaves. Client 1 sends the rest: of its own 960 B less 256 by 5.5625, and three of
    # client 2's by 6.3125.
    run = played(
        "braintorrent",
        10.5625,
        {"transfer": "chunks"},
        round_s=[4.25, 1.5, 2.0],
        latency_s=0.0,
        faults=leaves("client_2", "4.875 s"),
    )
    expected = {"client_0.0": THIRD, "client_1.1": THIRD, "client_2.0": THIRD}
    assert merges(run, "client_0") == [(6.3125, expected)]
    assert run.world.clients[0].storage.merged == {1: 2}


# -- who pushes --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [*PUSHING, "braintorrent", "swarm"])
def test_newcomer_trains_what_others_have_trained_or_what_all_began_with(kind: str) -> None:
    def first_model(starts_from: str) -> list[float]:
        late = joins("client_2", at="9 s", starts_from=starts_from)
        run = played(kind, 0.0, SETTINGS.get(kind), faults=late)
        until(run.world, lambda: run.world.clients[2].rounds)
        return run.rounds("client_2")

    assert first_model("initial") == [0.0, 0.0, 1.0]
    theirs = first_model("peers")
    assert theirs[2] == 1.0
    assert sum(theirs[:2]) >= 1.0


def quiet(until_s: float, **more: Any) -> Played:
    """Gossip in which client 2 pushes at 7, and the others at 15: until then the links are free."""
    luck = scripted(lucks={("push_phase",): 15 / 16, ("push_phase", 2): 7 / 16})
    return played("gossip", until_s, {"period": "16 s"}, streams=luck, **more)


def test_newcomer_asks_a_peer_for_its_model_and_takes_its_age_along() -> None:
    # Asked at 3.25, client 0 sends from 3.5 on. Two rounds are behind what client 2 pushes.
    run = quiet(8.25, faults=joins("client_2", at="3 s"))
    assert rows(run, "join", "transfer", "train")[2:] == [
        (3.0, 0.0, "client_2", "join", ""),
        (3.25, 1.25, "client_0", "transfer", "client_2"),
        (4.5, 2.0, "client_2", "train", ""),
        (7.0, 1.25, "client_2", "transfer", run.rows[-1].node),
    ]
    (merge,) = run.merges
    assert merge.weights["client_2.0"] == 2 / 3
    assert run.world.clients[2].storage.merged == {0: 1}


@pytest.mark.parametrize(
    ("faults", "asked_s", "trained"),
    [
        # Client 1 is asked when client 0 is known to be gone: at once, or by its word.
        (crash("client_0", "4 s"), 4.25, (5.5, 2.0)),
        (leaves("client_0", "4 s"), 4.25, (5.5, 2.0)),
        # The newcomer itself crashes: before it has the model, it asks anew.
        (outage("client_2", 4.0, 5.0), 5.25, (6.5, 2.0)),
    ],
)
def test_newcomer_whose_model_is_lost_on_its_way_asks_again(
    faults: dict[str, Any], asked_s: float, trained: tuple[float, float]
) -> None:
    late = joins("client_2", at="3 s")
    run = quiet(8.5, faults=late | faults, failure_detection={"kind": "perfect"})
    assert [row[0] for row in rows(run, "transfer") if row[4] == "client_2"] == [asked_s]
    assert [row[:2] for row in rows(run, "train", node="client_2")] == [trained]


def test_newcomer_that_crashes_with_the_model_trains_that() -> None:
    faults = joins("client_2", at="3 s") | outage("client_2", 5.0, 6.0)
    run = quiet(8.0, faults=faults)
    assert [row[:2] for row in rows(run, "train", node="client_2")] == [(6.0, 2.0)]
    assert run.rounds("client_2") == [1.0, 0.0, 1.0]
    # Without its storage it begins again: asked at 6.25, client 0 sends until 7.5.
    blow = {"node": "client_2", "at": "5 s", "recovers_after": "1 s", "loses_storage": True}
    run = quiet(9.5, faults=joins("client_2", at="3 s") | {"blow": {"kind": "crash", **blow}})
    assert [row[:2] for row in rows(run, "train", node="client_2")] == [(7.5, 2.0)]


def test_two_that_join_at_once_have_nothing_for_each_other() -> None:
    # A ring of four whose others still train. Each asks its elder neighbour until 3.5, and the
    # other, of whom it has heard by then, until 4.
    run = played(
        "d_psgd",
        6.0,
        {"topology": "ring"},
        round_s=[10.0, 10.0, 2.0, 2.0],
        faults=joins("client_2", "client_3", at="3 s"),
    )
    assert rows(run, "train") == [
        (4.0, 2.0, "client_2", "train", ""),
        (4.0, 2.0, "client_3", "train", ""),
    ]
    assert run.rounds("client_3") == [0.0, 0.0, 0.0, 1.0]


def test_newcomer_on_a_ring_is_waited_for_from_the_next_round_on() -> None:
    # Client 3 joins at 3, as the others' models of 2 are under way until 4.25. What client 0 sends
    # it has half its link until then: 384 B from 3.5 on, and the rest by 4.875. From 6.5 on all
    # push to both neighbours, client 3 from 6.875 on: two models at a time, 2 s each.
    run = played(
        "d_psgd",
        9.5,
        {"topology": "ring"},
        round_s=[2.0] * 4,
        faults=joins("client_3", at="3 s"),
    )
    assert rows(run, "train", node="client_3") == [(4.875, 2.0, "client_3", "train", "")]
    # In a row, the one in the middle has two neighbours.
    ends, middle = {"client_0.0", "client_1.0"}, {"client_0.0", "client_1.0", "client_2.0"}
    before = {merge.node: (merge.time_s, set(merge.weights)) for merge in run.merges[:3]}
    assert before == {
        "client_0": (4.5, ends),
        "client_1": (4.5, middle),
        "client_2": (4.5, {"client_1.0", "client_2.0"}),
    }
    later: dict[str, Any] = {m.node: (m.time_s, m.weights) for m in run.merges[3:]}

    def thirds(*rounds: str) -> Any:
        return pytest.approx(dict.fromkeys([f"client_{each}" for each in rounds], THIRD))

    assert later == {
        "client_0": (9.125, thirds("0.1", "1.1", "3.0")),
        "client_1": (9.0, thirds("0.1", "1.1", "2.1")),
        "client_2": (9.125, thirds("1.1", "2.1", "3.0")),
        "client_3": (9.375, thirds("0.1", "2.1", "3.0")),
    }


def test_weights_are_those_of_the_graph_of_members() -> None:
    # Without client 3 a ring of four is a row, whose ends have one neighbour: 1/3 goes each way.
    late = joins("client_3", at="900 s")
    run = played("d_psgd", 4.5, {"topology": "ring"}, round_s=[2.0] * 4, faults=late)
    shares = {merge.node: merge.weights for merge in run.merges}
    assert shares["client_0"] == {"client_0.0": pytest.approx(2 / 3), "client_1.0": THIRD}
    # As it would be with nobody else in the world, but for the fault.
    row = {"kind": "edges", "pairs": [[0, 1], [1, 2]]}
    assert run.merges == played("d_psgd", 4.5, {"topology": row}).merges


@pytest.mark.parametrize("counts", ["senders", "messages"])
def test_who_has_left_is_waited_for_by_nobody_that_ignores_the_detector(counts: str) -> None:
    # Client 2 leaves at 1, which the others know at 1.25: they push to each other alone.
    settings = {"skip_suspected": False, "counts": counts}
    run = played("d_psgd", 7.0, settings, faults=leaves("client_2", "1 s"))
    assert [time_s for time_s, _ in merges(run, "client_0")] == [3.5, 7.0]


def test_push_to_who_leaves_is_given_up_by_who_ignores_the_detector() -> None:
    # The models of 2 are under way, two at a time, when client 2 leaves; half of each is there at
    # 3.25, and the other half of clients 0's and 1's takes half a second.
    settings = {"skip_suspected": False}
    run = played("d_psgd", 4.0, settings, faults=leaves("client_2", "3.25 s"))
    assert [time_s for time_s, _ in merges(run, "client_0")] == [4.0]


def test_what_has_come_of_who_has_left_counts_once_more() -> None:
    # Clients 0 and 2 have each other's models of 2 at 4.25, and client 2 leaves at 4.5. Client 1's
    # of 3 is half a link wide until then, 640 B, and there at 4.875.
    world, away = {"round_s": [2.0, 3.0, 2.0]}, leaves("client_2", "4.5 s")
    run = played("d_psgd", 7.0, faults=away, **world)
    everyones = dict.fromkeys(("client_0.0", "client_1.0", "client_2.0"), THIRD)
    (merged_s, weights), *_ = merges(run, "client_0")
    assert (merged_s, weights) == (4.875, everyones)
    assert run.world.clients[0].storage.merged == {1: 1}


def test_newcomer_brings_a_weight_of_1_into_push_sum() -> None:
    run = played("push_sum", 12.0, faults=joins("client_2", at="3 s"))
    assert run.world.clients[2].rounds
    assert total(run.world)[0] == 3.0


# -- who takes turns ---------------------------------------------------------------------------

TURNS: dict[str, Any] = {"round_s": [2.0, 3.0, 4.0]}
SWARM = {"next": "round_robin"}


@pytest.mark.parametrize("returns", [True, False])
def test_newcomer_in_a_swarm_takes_part_in_the_round_that_it_meets(returns: bool) -> None:
    # Client 0 averages client 1's update and its own at 4.75. From 5.5 on it sends that to client
    # 1, and to client 2, which has asked; both have it at 7.5. Client 1, whose turn it is, has
    # client 0's second update at 8.5, its own at 10.5 and client 2's first at 13.25.
    settings = SWARM | {"returns": returns}
    run = played("swarm", 13.25, settings, faults=joins("client_2", at="5 s"), **TURNS)
    assert rows(run, "train", node="client_2") == [(7.5, 4.0, "client_2", "train", "")]
    assert run.merges == [
        Merge(4.75, "client_0", {"client_0.0": HALF, "client_1.0": HALF}),
        Merge(13.25, "client_1", dict.fromkeys(("client_0.1", "client_1.1", "client_2.0"), THIRD)),
    ]


@pytest.mark.parametrize("rule", ["elect", "block", "abort"])
def test_aggregator_that_leaves_is_replaced_whatever_is_done_about_a_dead_one(rule: str) -> None:
    # It leaves in the middle of client 1's upload, which is known at 4.25. Client 1 is next, and
    # client 2's update is with it 1.75 s later.
    settings = SWARM | {"on_dead_aggregator": rule}
    away = leaves("client_0", "4 s")
    run = played("swarm", 30.0, settings, faults=away, failure_detection=NEVER, **TURNS)
    assert run.merges[0] == Merge(6.0, "client_1", {"client_1.0": HALF, "client_2.0": HALF})
    assert not rows(run, "abort")
    assert len(run.merges) > 1


@pytest.mark.parametrize("rule", ["elect", "block", "abort"])
def test_swarm_begins_with_an_aggregator_that_is_there(rule: str) -> None:
    settings = SWARM | {"on_dead_aggregator": rule}
    run = played("swarm", 1.0, settings, faults=joins("client_0", at="50 s"), **TURNS)
    running = run.running
    assert isinstance(running, Swarming)
    assert {running.turn(node).aggregator for node in run.world.clients} == {1}
    later = played("swarm", 90.0, settings, faults=joins("client_0", at="50 s"), **TURNS)
    assert not rows(later, "abort")
    assert any("client_0.0" in merge.weights for merge in later.merges)


def test_plexus_begins_with_a_sample_of_who_is_there() -> None:
    settings = {"sample": 2}
    late = joins("client_0", at="1 s")
    run = played("plexus", 0.0, settings, round_s=[2.0] * 4, faults=late)
    until(run.world, lambda: run.world.clients[0].rounds)
    first = [row[2] for row in rows(run, "train") if row[0] == 0.0]
    assert first == ["client_1", "client_2"]
    # The newcomer's first model comes of an average of theirs.
    assert run.rounds("client_0")[1:3] == [HALF, HALF]


@pytest.mark.parametrize(
    ("kind", "settings"), [("plexus", {"sample": 1}), ("cyclic", {"order": "shuffled"})]
)
def test_of_several_that_are_the_first_to_come_at_one_instant_one_begins(
    kind: str, settings: dict[str, Any]
) -> None:
    # With this luck the first of the order is client 2, which comes up after client 0 has begun.
    down = {"kind": "crash", "at": "0 s", "recovers_after": "4 s"}
    faults: dict[str, Any] = {f"down_{i}": {**down, "node": f"client_{i}"} for i in range(3)}
    sometime = {"distribution": "uniform", "low": "0 s", "high": "3 s"}
    faults["late"] = {"kind": "join", "nodes": "clients", "at": sometime}
    run = played(kind, 6.0, settings, faults=faults, streams=Streams(1))
    assert rows(run, "train") == [(4.0, 2.0, "client_0", "train", "")]


@pytest.mark.parametrize(
    ("kind", "settings", "begin"),
    [
        ("plexus", {"sample": 1}, ["client_1"]),
        ("cyclic", None, ["client_1"]),
        ("swarm", None, ["client_1", "client_2"]),
    ],
)
def test_it_begins_with_who_is_up(
    kind: str, settings: dict[str, Any] | None, begin: list[str], tmp_path: Path
) -> None:
    # Client 0, whose turn it would be, is held down before its behaviour ever starts.
    (tmp_path / "lives.csv").write_text("node,from,until\nclient_0,0,9\n")
    away = {"kind": "availability", "file": str(tmp_path / "lives.csv"), "lists": "down"}
    luck = scripted(lucks={("sample", 0, 0): 0.0, ("sample", 0, 1): 0.125})
    more = {"streams": luck} if kind == "plexus" else {}
    run = played(kind, 4.0, settings, faults={"away": away | {"unit": "s"}}, **more)
    assert [row[2] for row in rows(run, "train") if row[0] == 0.0] == begin
    if kind == "swarm":  # Nobody had to be suspected before another aggregates.
        assert [row[2:] for row in rows(run, "transfer")] == [("client_2", "transfer", "client_1")]


def test_updates_of_a_round_go_where_they_would_without_who_has_joined_meanwhile() -> None:
    # Clients 0 and 1 are done at 2 and 3, and ping for half a second. Client 2, the first of the
    # next sample, joins in between: both send to client 3, the second.
    luck = scripted(lucks={("sample", 1, 2): 0.0, ("sample", 1, 3): 0.125})
    settings, world = {"sample": 2}, {"round_s": [2.0, 3.0, 4.0, 1.0], "streams": luck}
    run = played("plexus", 4.75, settings, faults=joins("client_2", at="2.25 s"), **world)
    assert rows(run, "transfer", "merge") == [
        (2.5, 1.25, "client_0", "transfer", "client_3"),
        (3.5, 1.25, "client_1", "transfer", "client_3"),
        (4.75, 0.0, "client_3", "merge", ""),
    ]


def test_the_only_model_begins_with_who_is_there_and_visits_a_newcomer_in_its_place() -> None:
    # Handing on takes 1.75 s: client 2 has it at 4.75, client 0, after client 2, at 10.5.
    run = played("cyclic", 12.5, faults=joins("client_0", at="5 s"), **TURNS)
    assert rows(run, "train") == [
        (0.0, 3.0, "client_1", "train", ""),
        (4.75, 4.0, "client_2", "train", ""),
        (10.5, 2.0, "client_0", "train", ""),
    ]
    assert run.rounds("client_0") == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(("resend", "visited"), [(False, []), (True, [(6.0, 4.0)])])
def test_who_leaves_with_the_only_model_takes_it_along(
    resend: bool, visited: list[tuple[float, float]]
) -> None:
    # Client 1 has it at 3.75 and leaves at 4; client 0, where it sends it again, knows at 4.25.
    settings = {"resend": resend}
    away = leaves("client_1", "4 s")
    run = played("cyclic", 10.0, settings, faults=away, failure_detection=NEVER, **TURNS)
    assert [row[:2] for row in rows(run, "train", node="client_2")] == visited


def test_word_that_takes_no_time_is_heard_by_who_waits_for_it() -> None:
    # Without latency client 1 has the model at 3. Client 2 has it a second after client 1 leaves.
    away = leaves("client_1", "4 s")
    world = TURNS | {"latency_s": 0.0, "failure_detection": NEVER}
    run = played("cyclic", 9.0, {"resend": True}, faults=away, **world)
    assert rows(run, "train", node="client_2") == [(5.0, 4.0, "client_2", "train", "")]


def test_who_leaves_a_swarm_gets_no_answer_to_what_comes_late() -> None:
    run = played("swarm", 20.0, round_s=[1.0] * 3, faults=leaves("client_2", "10 s"))
    running, network, node = run.running, run.world.network, run.world.clients[0]
    assert isinstance(running, Swarming)
    old = running.turn(node)._replace(round=0)
    for peer, answers in ((2, 0), (1, 1)):
        before = network.tally.sent
        running._hear(node, peer, old)
        assert network.tally.sent == before + answers
