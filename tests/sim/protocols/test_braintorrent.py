"""BrainTorrent in a world of three clients, against times worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest import approx

from braintorrent.testing import play
from models.operations import combined
from sim.protocols.shared.peers import lowest
from sim.runs.build import Facts, build
from sim.world.node import INCARNATION
from sim.world.transport import fastest
from tests.sim import tiny
from tests.sim.protocols.merging import (
    BEFORE_THE_TRANSFERS,
    LATENCY,
    SAMPLES,
    STEP_S,
    STEPS,
    TRANSFERS,
    merging,
    of,
)
from tests.sim.protocols.serving import crash


def test_one_merge_of_three_clients() -> None:
    world, _ = merging()
    tiny.run(world.clock, 8.25)
    assert [event for event in tiny.events(world.trace) if event[4] != "client_2"] == [
        *BEFORE_THE_TRANSFERS,
        *TRANSFERS,
        (5.0, 3.0, "client_1", "train", "", "round=1 attempt=1"),
        (7.5, 0.75, "client_0", "merge", "", "client_1 client_2"),
    ]


@pytest.mark.parametrize("sharing", ["max_min", "equal"])
@pytest.mark.parametrize("peers", [1, 3, 5])
def test_several_models_at_once_take_as_long_as_one_after_the_other(
    peers: int, sharing: str
) -> None:
    # Client 0 has trained at 3, and asks at 3.5; the first bytes are there at 4, a second a model.
    links = {"uplink": "1 GB/s", "downlink": "1024 B/s", "sharing": sharing}
    round_s = [3.0] + [2.0] * peers
    played = play("braintorrent", until_s=10.0, round_s=round_s, latency_s=0.25, links=links)
    first = next(merge for merge in played.merges if merge.node == "client_0")
    assert (first.time_s, len(first.weights)) == (4.0 + peers, peers + 1)


def test_merge_is_the_formula_over_itself_and_the_senders() -> None:
    # Client 0 fine-tunes the merged model from 8.25 to 12.25.
    world, _ = merging()
    tiny.run(world.clock, 12.0)
    node, lineage = world.clients[0], world.lineage
    first = [lineage.trained(lineage.initial(), client, 0) for client in range(3)]
    assert node.storage.model is first[0]
    assert node.storage.merged == {}
    tiny.run(world.clock, 12.25)
    merged = lineage.combined((first[0], first[1], first[2]), (0.25, 0.25, 0.5))
    assert node.storage.model is lineage.trained(merged, 0, 1)
    assert node.storage.merged == {1: 1, 2: 1}
    assert node.version == 2


def test_weights_of_a_merge_sum_to_one_over_those_who_take_part() -> None:
    world, _ = merging()
    models = {
        index: world.lineage.trained(world.lineage.initial(), index, 0)
        for index in (2, 0)  # Whatever the order of arrival, rows come by node index.
    }
    merged = world.averaged(models)
    assert merged.inputs == (models[0], models[2])
    assert merged.arguments == (100 / 300, 200 / 300)
    assert world.averaged({1: models[0]}) is models[0]


def test_merge_of_vectors_made_by_hand() -> None:
    # (100 (1, 8) + 100 (3, 0) + 200 (6, 2)) / 400
    world, _ = merging()
    vectors = {0: [1, 8], 1: [3, 0], 2: [6, 2]}
    models = {i: world.lineage.trained(world.lineage.initial(), i, 0) for i in vectors}
    by_name = {
        models[index].name: np.array(vector, np.float32) for index, vector in vectors.items()
    }
    merged = world.averaged(models)
    rows = [by_name[model.name] for model in merged.inputs]
    assert combined(rows, merged.arguments, 2).tolist() == [4.0, 3.0]


def test_crash_in_the_middle_of_a_ping() -> None:
    # At 4.375 client 1 has been reached and its answer is under way; client 2's question is, too.
    world, _ = merging(faults=crash("client_0", "4.375 s", recovers_after="1.625 s"))
    tiny.run(world.clock, 7.0)
    mine = [event for event in tiny.events(world.trace) if event[2] == "client_0"]
    assert mine == [
        (0.0, 4.0, "client_0", "train", "", "round=0 attempt=0"),
        (4.375, 0.0, "client_0", "crash", "", "blow"),
        (4.0, 0.375, "client_0", "ping", "", "asked=2 answered=0"),
        (6.0, 0.0, "client_0", "recover", "", "blow"),
        # The first model survived: the client goes on with its next ping, not with round 0.
        (6.0, 1.0, "client_0", "ping", "", "asked=2 answered=2"),
    ]
    assert world.clients[0].storage.rounds == 1


def test_peer_that_is_down_is_waited_for_until_the_timeout_and_asked_once() -> None:
    # Client 1 is down when client 0's question arrives at 4.25; client 2 answers at 5. The ping's
    # timeout ends at 4 + 2.5 = 6.5, and client 0 goes on with client 2: asked at 7, its bytes flow
    # from 7.5 to 8.5.
    world, _ = merging(faults=crash("client_1", "4.125 s"))
    tiny.run(world.clock, 9.0)
    assert of(world, "client_0", "ping", "merge") == [
        (4.0, 2.5, "client_0", "ping", "", "asked=2 answered=1"),
        (8.5, 0.5, "client_0", "merge", "", "client_2"),
    ]


@pytest.mark.parametrize(("latency_s", "patience_s"), [(0.125, 1.0), (0.5, 3.0)])
def test_silent_peer_is_waited_for_three_round_trips_and_a_second_at_least(
    latency_s: float, patience_s: float
) -> None:
    described = tiny.scenario(
        [[0, latency_s], [latency_s, 0]],
        [1.0, 64.0],
        {"braintorrent": {}},
        faults=crash("client_1", "0.5 s"),
    )
    world, _ = tiny.world(described, samples=[1, 1], steps=[1, 1])
    tiny.run(world.clock, 1.0 + patience_s)
    assert tiny.events(world.trace, "ping") == [
        (1.0, patience_s, "client_0", "ping", "", "asked=1 answered=0")
    ]


@pytest.mark.parametrize(
    ("detection", "back_s", "merged_s"),
    [
        # A heartbeat is sent at 5 and arrives at 5.25; nothing more comes until 20.25.
        ("heartbeat", None, 20.25),
        ("perfect", None, 7.25),
        # Nothing has come for 30 s.
        ("none", None, 36.5),
        # The sender's return resets what was open, and its first heartbeat says so, too.
        ("heartbeat", 8.0, 8.25),
        ("perfect", 8.0, 7.25),
        ("none", 8.0, 8.25),
    ],
)
def test_sender_crashes_in_a_weight_transfer(
    detection: str, back_s: float | None, merged_s: float
) -> None:
    # At 6.5 client 2 has 256 B through and the downlink for itself: the other 768 B take 0.75 s.
    back = {} if back_s is None else {"recovers_after": f"{back_s - 6.5} s"}
    world, _ = merging(detection=detection, faults=crash("client_1", "6.5 s", **back))
    tiny.run(world.clock, merged_s + 4.5)
    to_me = [e for e in tiny.events(world.trace, "transfer", "transfer_lost") if e[0] < 6.0]
    assert to_me == [
        (5.25, 1.25, "client_1", "transfer_lost", "client_0", "sender_down"),
        (5.5, 1.75, "client_2", "transfer", "client_0", ""),
    ]
    assert of(world, "client_0", "merge", "train")[1:] == [
        (merged_s, 0.5, "client_0", "merge", "", "client_2"),
        (merged_s + 0.5, 4.0, "client_0", "train", "", "round=1 attempt=1"),
    ]
    node, lineage = world.clients[0], world.lineage
    first = [lineage.trained(lineage.initial(), client, 0) for client in range(3)]
    merged = lineage.combined((first[0], first[2]), (100 / 300, 200 / 300))
    assert node.storage.model is lineage.trained(merged, 0, 1)
    assert node.storage.merged == {2: 1}


def test_transfer_is_waited_for_however_slow_it_is_unless_there_is_a_cap() -> None:
    # Client 1's uplink needs 64 s for a model, from 5.5 to 69.5; client 2's is there at 7.
    uplinks = ["1024 B/s", "16 B/s", "1024 B/s"]
    links = {"uplink": uplinks, "downlink": "1024 B/s", "sharing": "none"}
    world, _ = merging(links=links)
    tiny.run(world.clock, 80.0)
    assert of(world, "client_0", "merge")[0] == (
        (69.5, 0.75, "client_0", "merge", "", "client_1 client_2")
    )
    capped, _ = merging(links=links, settings={"transfer_timeout": "8 s"})
    tiny.run(capped.clock, 20.0)
    assert (5.25, 7.75, "client_1", "transfer_lost", "client_0", "timeout") in (
        tiny.events(capped.trace)
    )
    assert of(capped, "client_0", "merge") == [(13.0, 0.5, "client_0", "merge", "", "client_2")]


@pytest.mark.parametrize(("heals_s", "came_s"), [(16.0, 17.0), (46.0, None)])
@pytest.mark.parametrize("detection", ["heartbeat", "none"])
def test_partition_holds_weights_up_and_breaks_them_only_when_it_lasts(
    heals_s: float, came_s: float | None, detection: str
) -> None:
    # At 6 client 1 has 512 B through to client 0; client 2 has the downlink for itself until 7.
    # What is left flows when the partition heals, from 16 to 16.5. After 30 s both ends give up,
    # unless client 0, which got the heartbeat of 5 at 5.25, hears nothing more for 15 s.
    fault = {"kind": "partition", "groups": [["client_1"]], "at": "6 s"}
    world, _ = merging(
        detection=detection, faults={"cut": fault | {"heals_after": f"{heals_s - 6} s"}}
    )
    tiny.run(world.clock, 45.0)
    merge = of(world, "client_0", "merge")[0]
    if came_s is not None:
        assert (5.25, 11.25, "client_1", "transfer", "client_0", "") in tiny.events(world.trace)
        assert merge == (16.5, 0.75, "client_0", "merge", "", "client_1 client_2")
    else:
        given_up_s, cause = (
            (20.25, "abandoned") if detection == "heartbeat" else (36.0, "partition")
        )
        lost = (5.25, given_up_s - 5.25, "client_1", "transfer_lost", "client_0", cause)
        assert lost in tiny.events(world.trace)
        assert merge == (given_up_s, 0.5, "client_0", "merge", "", "client_2")


def test_loss_slows_weights_and_loses_none() -> None:
    # Three of ten packets are lost: a transfer has at most as many bytes per second as says the
    # transport's formula, whatever the links carry.
    links = {"uplink": "1 GB/s", "downlink": "1 GB/s"}
    world, _ = merging(streams=tiny.scripted(), packet_loss=0.3, links=links)
    tiny.run(world.clock, 60.0)
    lost = tiny.events(world.trace, "transfer_lost", "message_lost")
    assert not lost
    took_s = tiny.MODEL_BYTES / fastest(0.3, 0.5)
    assert took_s > 0.5
    first = next(e for e in tiny.events(world.trace, "transfer") if e[2] == "client_1")
    assert first[0] == 5.25
    assert first[1] == pytest.approx(0.25 + took_s)
    assert of(world, "client_0", "merge")[0][5] == "client_1 client_2"


def test_model_that_goes_missing_as_a_whole_is_not_waited_for() -> None:
    lost = ("transfer_loss", 1, 0, 0)
    links = {"uplink": "1024 B/s", "downlink": "1024 B/s", "transfer_loss": 1e-9}
    world, _ = merging(streams=tiny.scripted(lost), links=links)
    tiny.run(world.clock, 8.0)
    assert tiny.events(world.trace, "transfer_lost") == [
        (5.25, 1.75, "client_1", "transfer_lost", "client_0", "loss")
    ]
    assert of(world, "client_0", "merge") == [(7.5, 0.5, "client_0", "merge", "", "client_2")]


def test_receiver_crashes_in_a_weight_transfer() -> None:
    world, _ = merging(faults=crash("client_0", "6.5 s"))
    tiny.run(world.clock, 8.0)
    assert tiny.events(world.trace)[len(BEFORE_THE_TRANSFERS) :][:3] == [
        (6.5, 0.0, "client_0", "crash", "", "blow"),
        (5.25, 1.25, "client_1", "transfer_lost", "client_0", "receiver_down"),
        (5.5, 1.0, "client_2", "transfer_lost", "client_0", "receiver_down"),
    ]
    assert not world.clients[0].storage.merged  # Nothing was merged, nothing counts as seen.


def test_crash_in_the_middle_of_a_training() -> None:
    # 2 of 4 s are spent; after the repair the whole round is done again, from 3 to 7.
    world, _ = merging(faults=crash("client_0", "2 s", recovers_after="1 s"))
    tiny.run(world.clock, 7.0)
    mine = [event for event in tiny.events(world.trace) if event[2] == "client_0"]
    assert mine == [
        (2.0, 0.0, "client_0", "crash", "", "blow"),
        (0.0, 2.0, "client_0", "train_lost", "", "round=0 attempt=0 cause=blow"),
        (3.0, 0.0, "client_0", "recover", "", "blow"),
        (3.0, 4.0, "client_0", "train", "", "round=0 attempt=1"),
    ]
    lineage = world.lineage
    assert world.clients[0].storage.model is lineage.trained(lineage.initial(), 0, 0)


def test_lost_storage_starts_again_from_the_initial_model_and_is_newer() -> None:
    world, _ = merging(faults=crash("client_0", "5 s", recovers_after="1 s", loses_storage=True))
    tiny.run(world.clock, 9.75)
    node = world.clients[0]
    assert node.storage.model is world.lineage.initial()
    assert node.version == INCARNATION
    tiny.run(world.clock, 10.0)
    assert node.version == INCARNATION + 1
    # It is the second round that it has finished, and never does the same batches again.
    assert node.rounds == 2
    assert node.storage.model is world.lineage.trained(world.lineage.initial(), 0, 1)


def test_ask_that_is_lost_once_is_late() -> None:
    # Client 0's question to client 1 at 5 is sent again after 0.5 + 0.2 s: client 1 is asked at
    # 5.95, its bytes flow from 6.2. Client 2's, from 6 on, have 204.8 B through by then, and the
    # others at 7.8; client 1's 204.8 B that are left take until 8.
    luck: dict[tiny.Name, float] = {("ask", 0, 1, 0): 0.5e-9}
    world, _ = merging(streams=tiny.scripted(lucks=luck), packet_loss=1e-9)
    tiny.run(world.clock, 8.75)
    mine = [e for e in tiny.events(world.trace, "transfer", "merge") if e[4] != "client_2"]
    assert mine == [
        (5.5, approx(2.3), "client_2", "transfer", "client_0", ""),
        (approx(5.95), approx(2.05), "client_1", "transfer", "client_0", ""),
        (approx(8.0), 0.75, "client_0", "merge", "", "client_1 client_2"),
    ]


def test_peer_whose_answer_is_lost_is_asked_in_the_next_round() -> None:
    streams = tiny.scripted(("pong_loss", 0, 1, 0))
    world, _ = merging(streams=streams, packet_loss=1e-9)
    tiny.run(world.clock, 20.0)
    assert of(world, "client_0", "ping", "merge")[:3] == [
        (4.0, 2.5, "client_0", "ping", "", "asked=2 answered=1"),
        (8.5, 0.5, "client_0", "merge", "", "client_2"),
        (13.0, 1.0, "client_0", "ping", "", "asked=2 answered=2"),
    ]


def test_suspected_peer_is_not_pinged_until_it_is_heard_of() -> None:
    # Client 1 is not heard of since 0.25; it is back at 40 and says so.
    away = crash("client_1", "1 s", recovers_after="39 s")
    world, _ = merging(faults=away)
    tiny.run(world.clock, 60.0)
    for start_s, *_, told in of(world, "client_0", "ping"):
        suspected = 15.25 <= start_s < 40.25
        assert told.split()[0] == ("asked=1" if suspected else "asked=2"), start_s


def test_failed_local_round_is_followed_by_the_next() -> None:
    fails = {"kind": "client_dropout", "nodes": ["client_0"], "probability": 1.0}
    world, _ = merging(faults={"fails": fails})
    tiny.run(world.clock, 30.0)
    tries = of(world, "client_0")
    assert len(tries) > 5
    assert {event[3] for event in tries} == {"train_lost"}  # It never has anything to merge with.
    assert [event[0] for event in tries[1:]] == [event[0] + event[1] for event in tries[:-1]]


def test_ten_clients_with_the_papers_network_and_thin_uplinks_merge_in_every_round() -> None:
    # 14 MB over 20 Mbit/s: 5.6 s for one model, nine at a time when all ask.
    clients, table = 10, [[0.0 if i == j else 0.02 for j in range(10)] for i in range(10)]
    described = tiny.scenario(
        table,
        [0.5 + index / 16 for index in range(clients)],
        {"braintorrent": {}},
        links={"uplink": "20 Mbit/s", "downlink": "100 Mbit/s"},
        merge_time="0.1 s",
        duration="3600 s",
    )
    facts = Facts((100,) * clients, (40,) * clients, 1000, 400, 3_500_000)
    world, _ = build(described, "braintorrent", 0, tiny.lineage(), facts)
    tiny.run(world.clock, 3600.0)
    counts = world.trace.counts
    assert counts["transfer_lost"] == counts["message_lost"] == 0
    for node in world.clients:
        did = [e[3] for e in of(world, node.name, "train", "merge")]
        assert did[0] == "train"
        first = did.index("merge")
        assert first <= 2  # Who is the first to have trained finds nobody who has.
        assert len(did) > 20
        assert did[first:] == (["merge", "train"] * len(did))[: len(did) - first]


@pytest.mark.parametrize("option", ["peers", "max_senders"])
def test_limits_on_peers_and_senders(option: str) -> None:
    world, _ = merging(settings={option: 1})
    tiny.run(world.clock, 60.0)
    merges = tiny.events(world.trace, "merge")
    assert merges
    assert all(len(peers.split()) == 1 for *_, peers in merges)
    asked = {e[5].split()[0] for e in tiny.events(world.trace, "ping")}
    assert asked == ({"asked=1"} if option == "peers" else {"asked=2"})


@pytest.mark.parametrize("schedule", ["independent", "random_initiator", "lockstep"])
def test_client_without_peers_trains_on_alone(schedule: str) -> None:
    described = tiny.scenario([[0.0]], [2.0], {"braintorrent": {"schedule": schedule}})
    world, _ = tiny.world(described, samples=[100], steps=[2])
    tiny.run(world.clock, 12.0)
    trains = [event[:2] for event in tiny.events(world.trace, "train")]
    assert trains == [(0.0, 4.0), (4.0, 4.0), (8.0, 4.0)]
    assert world.network.end() == world.network.tally.sent == 0


def test_staleness_counts_the_rounds_that_a_client_has_not_merged() -> None:
    # At 12.25 the clients have done 2, 2 and 1 rounds, of which client 0 has merged one of each
    # peer and the others none. At 12.5 client 1 loses its storage: its rounds are gone, and those
    # of them that client 0 has merged don't make up for rounds that client 1 will do anew.
    described = tiny.scenario(
        LATENCY,
        STEP_S,
        {"braintorrent": {"ping_timeout": "2.5 s"}},
        merge_time="0.25 s",
        faults=crash("client_1", "12.5 s", loses_storage=True),
    )
    world, running = tiny.world(described, samples=SAMPLES, steps=STEPS)
    tiny.run(world.clock, 12.25)
    assert world.clients[0].storage.merged == {1: 1, 2: 1}
    assert running.staleness() == [(1 + 0) / 2, (2 + 1) / 2, (2 + 2) / 2]
    tiny.run(world.clock, 12.5)
    assert running.staleness() == [(0 + 0) / 2, (2 + 1) / 2, (2 + 0) / 2]


@given(st.integers(0, 2**16), st.integers(1, 30), st.integers(1, 30))
def test_drawn_peers_are_those_of_a_full_sort(seed: int, number: int, candidates: int) -> None:
    generator = np.random.default_rng(seed)
    # A coarse grid: many draws are equal, and then the lower index comes first.
    among = np.sort(generator.choice(30, size=max(number, candidates), replace=False))
    draws = generator.integers(0, 5, size=len(among)) / 5
    luck = dict(zip(among.tolist(), draws.tolist(), strict=True))
    chosen = lowest(among, draws, number)
    assert chosen.tolist() == sorted(sorted(luck, key=lambda i: luck[i])[:number])
