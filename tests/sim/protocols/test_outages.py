"""FedAvg while its server, its clients or the network are away: what ends each wait, by hand.

Every node sends heartbeats at 0, 5, 10, ... and when it comes back; silence of 15 s is suspicious.
"""

from typing import Any

import pytest

from sim.world.random_streams import Streams
from tests.sim import tiny
from tests.sim.protocols.serving import (
    DOWNLOADS,
    ROUND_S,
    TRAININGS,
    UPLOADS,
    crash,
    cut,
    outage,
    rounds,
    serving,
)

DETECTIONS = ("heartbeat", "perfect", "none")
# What a server that is down for 5 s is in the middle of, and what breaks by that.
PHASES: dict[float, list[tiny.Event]] = {
    1.0: [  # Its orders are under way.
        (0.0, 1.0, "server", "transfer_lost", "client_0", "sender_down"),
        (0.0, 1.0, "server", "transfer_lost", "client_1", "sender_down"),
    ],
    2.5: [  # The clients train: their updates find nobody.
        (3.25, 0.25, "client_0", "transfer_lost", "server", "receiver_down"),
        (3.75, 0.5, "client_1", "transfer_lost", "server", "receiver_down"),
    ],
    5.0: [  # Their updates are under way.
        (3.25, 1.75, "client_0", "transfer_lost", "server", "receiver_down"),
        (3.75, 1.25, "client_1", "transfer_lost", "server", "receiver_down"),
    ],
    6.5: [],  # It aggregates.
}


@pytest.mark.parametrize("detection", DETECTIONS)
@pytest.mark.parametrize("crash_s", PHASES)
def test_server_that_comes_back_is_met_at_once(crash_s: float, detection: str) -> None:
    # The clients' back-off of 16 s and the 30 s without a byte are both ended by the next order.
    back_s = crash_s + 5.0
    world, protocol = serving(
        detection=detection,
        settings={"retry_initial": "16 s"},
        faults=outage("server", crash_s, back_s),
    )
    tiny.run(world.clock, 240.0)
    # From its return on, round follows round without a gap: those that were lost are the one in
    # which it crashed, and what the outage itself takes.
    begun = range(int((240.0 - back_s) / ROUND_S))
    assert rounds(world) == [(back_s + number * ROUND_S, ROUND_S) for number in begun]
    assert not rounds(world, "round_failed")
    trained = 0 if crash_s == 1.0 else 1
    trains = tiny.events(world.trace, "train")[2 * trained :]
    assert [event[:3] for event in trains[:2]] == [
        (back_s + 1.25, 2.0, "client_0"),
        (back_s + 1.5, 2.25, "client_1"),
    ]
    lost = tiny.events(world.trace, "transfer_lost")
    if detection == "perfect" and crash_s > 1.0:
        # Who knows that it is down sends nothing. At its return what it may not have had is sent,
        # until the next order is there; the word that client 0's update came was there at 5.75.
        again = [
            (back_s, 1.25, "client_0", "transfer_lost", "server", "abandoned"),
            (back_s, 1.5, "client_1", "transfer_lost", "server", "abandoned"),
        ]
        before = PHASES[crash_s] if crash_s == 5.0 else []
        assert lost == before + (again[1:] if crash_s == 6.5 else again)
    else:
        assert lost == PHASES[crash_s]
    assert protocol.server_round == len(begun)


@pytest.mark.parametrize("detection", ["heartbeat", "none"])
@pytest.mark.parametrize(
    ("from_s", "first", "second"),
    [
        (1.0, (0.0, 11.75), (11.75, ROUND_S)),  # The orders' bytes wait for 5 s.
        # Updates that are sent at 3.25 and 3.75 leave when it heals, at 7.5.
        (2.5, (0.0, 10.5), (10.5, ROUND_S)),
        (5.0, (0.0, 11.75), (11.75, ROUND_S)),  # The updates' bytes wait for 5 s.
        # The next orders, sent at 6.75, leave at 11.5.
        (6.5, (0.0, ROUND_S), (ROUND_S, 4.75 + ROUND_S)),
    ],
)
def test_short_partition_holds_a_round_up_and_breaks_nothing(
    from_s: float, first: tuple[float, float], second: tuple[float, float], detection: str
) -> None:
    world, _ = serving(detection=detection, faults=cut(from_s, from_s + 5.0))
    tiny.run(world.clock, 240.0)
    found = rounds(world)
    assert found[:2] == [first, second]
    after_s = sum(second)
    assert found[2:] == [
        (after_s + number * ROUND_S, ROUND_S) for number in range(int((240.0 - after_s) / ROUND_S))
    ]
    assert not tiny.events(world.trace, "transfer_lost", "round_failed", "message_lost")


def test_who_knows_of_a_partition_at_once_ends_the_round_and_begins_at_its_end() -> None:
    world, _ = serving(detection="perfect", faults=cut(2.5, 7.5))
    tiny.run(world.clock, 30.0)
    assert rounds(world, "round_failed") == [(0.0, 2.5)]
    assert rounds(world)[:2] == [(7.5, ROUND_S), (7.5 + ROUND_S, ROUND_S)]


def test_client_does_not_send_to_a_server_that_it_suspects() -> None:
    # The server's last heartbeat is that of 0, here at 0.25: suspected from 15.25 until its first
    # heartbeat of 100 arrives.
    world, _ = serving(faults=outage("server", 2.5, 100.0))
    tiny.run(world.clock, 101.5)
    assert [e for e in tiny.events(world.trace, "transfer_lost") if e[2] == "client_0"] == [
        (3.25, 0.25, "client_0", "transfer_lost", "server", "receiver_down"),
        (100.25, 1.0, "client_0", "transfer_lost", "server", "abandoned"),  # The order is there.
    ]
    assert tiny.events(world.trace, "transfer")[2:3] == [
        (100.0, 1.25, "server", "transfer", "client_0", "")
    ]


def test_client_that_knows_nothing_backs_off() -> None:
    # Trained at 3.25. Each try is given up after 2 s of silence; in between 1, 2, 4, and never more
    # than 4 s.
    world, _ = serving(
        detection="none",
        settings={"retry_initial": "1 s", "retry_cap": "4 s"},
        links={"stall_timeout": "2 s"},
        faults=crash("server", "2.5 s"),
    )
    tiny.run(world.clock, 23.0)
    tries = [e for e in tiny.events(world.trace, "transfer_lost") if e[2] == "client_0"]
    assert tries == [
        (start, 0.25, "client_0", "transfer_lost", "server", "receiver_down")
        for start in (3.25, 6.25, 10.25, 16.25, 22.25)
    ]


# -- clients that are away ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("detection", "round_s"),
    [
        ("heartbeat", 20.75),  # Its heartbeat of 5 came at 5.5; 15 s later it is suspected.
        ("perfect", 6.0),
        ("none", 100.25),  # The deadline.
    ],
)
def test_client_that_crashed_in_its_upload_is_waited_for_until_that_is_known(
    detection: str, round_s: float
) -> None:
    world, protocol = serving(detection=detection, faults=crash("client_1", "5.75 s"))
    tiny.run(world.clock, round_s + 1.0)
    assert tiny.events(world.trace)[:8] == [
        *DOWNLOADS,
        *TRAININGS,
        UPLOADS[0],
        (5.75, 0.0, "client_1", "crash", "", "blow"),
        (3.75, 2.0, "client_1", "transfer_lost", "server", "sender_down"),
        (0.0, round_s, "server", "round", "", "round=0 asked=2 updates=1"),
    ]
    lineage = world.lineage
    assert protocol.global_model is lineage.trained(lineage.initial(), 0, 0)
    # The next round is without it, where that is known.
    tiny.run(world.clock, round_s + 5.75)
    asked = 2 if detection == "none" else 1
    later = tiny.events(world.trace, "round")[1:]
    assert [event[5] for event in later] == ([] if asked == 2 else ["round=1 asked=1 updates=1"])


def test_client_that_came_back_has_lost_what_it_was_given() -> None:
    # It crashes in its training and is back at 8; its heartbeat is at the server at 8.5.
    world, _ = serving(faults=outage("client_1", 3.0, 8.0))
    tiny.run(world.clock, 10.25)
    assert tiny.events(world.trace, "round") == [
        (0.0, 8.75, "server", "round", "", "round=0 asked=2 updates=1")
    ]
    assert (8.75, 1.5, "server", "transfer", "client_1", "") in tiny.events(world.trace)


@pytest.mark.parametrize(
    ("detection", "failed", "asked_s"),
    [
        # Suspected at 15.25 and 15.5. Heard of at 40.25 and 40.5.
        ("heartbeat", [(0.0, 15.5)], 40.25),
        ("perfect", [(0.0, 2.0)], 40.0),
        ("none", [(0.0, 100.0)], 100.0),
    ],
)
def test_server_with_nobody_left_waits_for_somebody(
    detection: str, failed: list[tuple[float, float]], asked_s: float
) -> None:
    away = {"kind": "crash", "at": "2 s", "recovers_after": "38 s"}
    faults = {f"blow_{i}": {**away, "node": f"client_{i}"} for i in range(2)}
    world, _ = serving(detection=detection, faults=faults)
    tiny.run(world.clock, 102.0)
    assert rounds(world, "round_failed") == failed
    orders = [e for e in tiny.events(world.trace, "transfer") if e[2] == "server"]
    assert orders[2] == (asked_s, 1.25, "server", "transfer", "client_0", "")


@pytest.mark.parametrize("detection", DETECTIONS)
def test_failed_local_round_is_reported_and_not_waited_for(detection: str) -> None:
    # Client 1 fails before 3.75; the server has heard of it before client 0's update.
    fails = {"kind": "client_dropout", "nodes": ["client_1"], "probability": 1.0}
    world, _ = serving(detection=detection, faults={"fails": fails})
    tiny.run(world.clock, 5.75)
    assert tiny.events(world.trace, "round") == [
        (0.0, 5.75, "server", "round", "", "round=0 asked=2 updates=1")
    ]


def test_failed_local_round_is_not_reported_to_a_server_that_is_known_to_be_down() -> None:
    faults = crash("server", "1.5 s") | {"fails": {"kind": "client_dropout", "probability": 1.0}}
    world, _ = serving(detection="perfect", faults=faults)
    tiny.run(world.clock, 8.0)
    assert [e[2] for e in tiny.events(world.trace, "train_lost")]
    assert world.network.tally.sent == 2  # The orders.


def test_round_in_which_all_fail_starts_again_when_the_last_has_said_so() -> None:
    fails = {"kind": "client_dropout", "probability": 1.0}
    world, _ = serving(detection="none", faults={"fails": fails})
    tiny.run(world.clock, 4.5)
    ends = [
        order_s + work_s * Streams(0).stream("dropout", "0", f"client_{i}", 0).random(2)[1]
        for i, (order_s, work_s) in enumerate(((1.25, 2.0), (1.5, 2.25)))
    ]
    told_s = max(ends[0] + 0.25, ends[1] + 0.5)
    ((opened_s, lasted_s),) = rounds(world, "round_failed")
    assert opened_s == 0.0
    assert lasted_s == pytest.approx(told_s)


@pytest.mark.parametrize(
    ("lost_s", "kept", "detection", "counted"),
    [
        # It is back at 8: the update that it has stored is sent again and there at 10.5. Without
        # a detector its round is still open.
        (8.0, True, "none", "updates=2"),
        # With one it was closed at 8.5, when the client's return was known.
        (8.0, True, "heartbeat", "updates=1"),
        (8.0, False, "none", "updates=1"),
    ],
)
def test_finished_update_survives_its_clients_crash(
    lost_s: float, kept: bool, detection: str, counted: str
) -> None:
    away = crash("client_1", "5.75 s", recovers_after=f"{lost_s - 5.75} s", loses_storage=not kept)
    world, _ = serving(detection=detection, faults=away, settings={"deadline": "20 s"})
    tiny.run(world.clock, 21.0)
    first = tiny.events(world.trace, "round")[0]
    assert first[5] == f"round=0 asked=2 {counted}"
    again = [
        event
        for event in tiny.events(world.trace, "transfer", "transfer_lost")
        if event[2] == "client_1" and event[0] == 8.0
    ]
    if not kept:
        assert not again
        assert first[1] == 20.25
    elif detection == "none":
        assert again == [(8.0, 2.5, "client_1", "transfer", "server", "")]
        assert first[1] == 11.0
    else:  # The order of the next round is there at 8.75 + 1.5, and the old update stale.
        assert again == [(8.0, 2.25, "client_1", "transfer_lost", "server", "abandoned")]
        assert first[1] == 8.75


# -- transfers that stall, are slow, or go missing ---------------------------------------------


@pytest.mark.parametrize(
    ("detection", "ended_s", "cause"),
    [
        # Whom the server suspects it sends nothing more.
        ("heartbeat", (15.25, 15.5), "abandoned"),
        # No byte for 30 s.
        ("none", (31.0, 31.0), "partition"),
    ],
)
def test_transfer_fails_when_nothing_has_come_for_too_long(
    detection: str, ended_s: tuple[float, float], cause: str
) -> None:
    world, _ = serving(detection=detection, faults=cut(1.0, 60.0))
    tiny.run(world.clock, 70.0)
    assert rounds(world, "round_failed") == [(0.0, max(ended_s))]
    assert tiny.events(world.trace, "transfer_lost") == [
        (0.0, ended_s[0], "server", "transfer_lost", "client_0", cause),
        (0.0, ended_s[1], "server", "transfer_lost", "client_1", cause),
    ]
    # The partition heals at 60. Without detection the server has asked again at 31, and its orders
    # leave then; with it, it waits for a heartbeat that is sent at 60: here at 60.25.
    asked_s, came_s = (31.0, 61.25) if detection == "none" else (60.25, 61.5)
    first = tiny.events(world.trace, "transfer")[0]
    assert first == (asked_s, came_s - asked_s, "server", "transfer", "client_0", "")


def test_slow_transfer_is_not_lost() -> None:
    # 1024 B at 16 B/s take 64 s: 3.75 + 0.5 + 64 = 68.25.
    world, _ = serving(links={"uplink": "16 B/s"})
    tiny.run(world.clock, 70.0)
    assert tiny.events(world.trace, "round") == [
        (0.0, 68.75, "server", "round", "", "round=0 asked=2 updates=2")
    ]


@pytest.mark.parametrize("direction", ["uplink", "downlink"])
def test_slow_transfer_is_ended_by_a_cap(direction: str) -> None:
    capped = {"transfer_timeout": "60 s"}
    world, _ = serving(links={direction: "16 B/s"}, settings=capped)
    tiny.run(world.clock, 65.0)
    lost = tiny.events(world.trace, "transfer_lost")
    if direction == "downlink":
        assert lost == [
            (0.0, 60.0, "server", "transfer_lost", f"client_{i}", "timeout") for i in range(2)
        ]
        assert rounds(world, "round_failed") == [(0.0, 60.0)]
    else:
        assert lost == [
            (3.25, 60.0, "client_0", "transfer_lost", "server", "timeout"),
            (3.75, 60.0, "client_1", "transfer_lost", "server", "timeout"),
        ]


@pytest.mark.parametrize(
    ("lost", "first"),
    [
        # The order to client 0 is lost when its last byte should have come: it isn't waited for.
        (("transfer_loss", tiny.SERVER, 0, 0), (0.0, 6.5, "round=0 asked=2 updates=1")),
        # Client 0's update is lost at 5.5; a second later it sends it again, to 8.75.
        (("transfer_loss", 0, tiny.SERVER, 0), (0.0, 9.25, "round=0 asked=2 updates=2")),
    ],
)
def test_model_that_goes_missing(lost: tuple[Any, ...], first: tuple[float, float, str]) -> None:
    world, _ = serving(streams=tiny.scripted(lost), links={"transfer_loss": 1e-9})
    tiny.run(world.clock, 10.0)
    assert [(e[0], e[1], e[5]) for e in tiny.events(world.trace, "round")] == [first]
    assert [e[5] for e in tiny.events(world.trace, "transfer_lost")] == ["loss"]


def test_lost_packets_delay_an_acknowledgement_and_lose_none() -> None:
    # The acknowledgement of client 0's update, sent at 5.5, is lost twice: 1 s, then 2 s. The next
    # order is there before it, at 8: the client knows that its report is stale and trains.
    luck: dict[tiny.Name, float] = {("acknowledgement", tiny.SERVER, 0, 0): 0.5e-18}
    world, _ = serving(streams=tiny.scripted(lucks=luck), links={"packet_loss": 1e-9})
    tiny.run(world.clock, 2 * ROUND_S)
    assert rounds(world) == [(0.0, ROUND_S), (ROUND_S, ROUND_S)]
    assert not tiny.events(world.trace, "transfer_lost", "message_lost", "update_late")
