"""Tiny worlds played for the users' tests, against times worked out by hand."""

import asyncio

import pytest

from braintorrent.testing import Broken, Played, play, scripted
from sim.record.errors import ScenarioError
from tests.braintorrent.testing import wrong
from tests.outside.relay import Relay
from tests.outside.ring import Ring


def test_ring_of_two() -> None:
    # A model takes a second from one to the other. Client 0 sends at 2, 4 and 6; client 1 at 3 and
    # 6. What arrives at the end of a training comes after it: client 0 averages at 6 what has come
    # at 4, client 1 what has come at 3 and, newer, at 5.
    played = play(Ring, until_s=6.5, round_s=[2.0, 3.0], samples=[1, 3])
    assert played.events == [
        (2.0, "client_0", "train"),
        (3.0, "client_1", "train"),
        (3.0, "client_0", "transfer"),
        (4.0, "client_0", "train"),
        (4.0, "client_1", "transfer"),
        (5.0, "client_0", "transfer"),
        (6.0, "client_1", "train"),
        (6.0, "client_0", "train"),
    ]
    assert played.of("transfer") == [event for event in played.events if event[2] == "transfer"]
    assert played.merges == [
        (6.0, "client_1", {"client_0.1": 0.25, "client_1.1": 0.75}),
        (6.0, "client_0", {"client_0.2": 0.25, "client_1.0": 0.75}),
    ]
    assert played.rounds("client_0") == [3.0, 0.0]


def test_rounds_in_an_average_are_averaged() -> None:
    played = play(Ring, until_s=8.0, round_s=[2.0, 3.0], samples=[1, 3])
    # At 8 client 0 has trained what it made at 6 of three rounds of its own, and one of client 1's.
    assert played.rounds("client_0") == [0.25 * 3 + 1, 0.75 * 1]


def test_relay_through_a_server_with_latency() -> None:
    played = play(Relay, {"patience": "20 s"}, until_s=8.0, round_s=[2.0, 1.0], latency_s=0.25)
    # 0.25 + 1 to client 0, which trains until 3.25; back at 4.5; at client 1 at 5.75, until 6.75.
    assert [(time_s, node) for time_s, node, kind in played.events if kind == "train"] == [
        (3.25, "client_0"),
        (6.75, "client_1"),
    ]
    assert played.of("transfer") == [
        (1.25, "server", "transfer"),
        (4.5, "client_0", "transfer"),
        (5.75, "server", "transfer"),
        (8.0, "client_1", "transfer"),
    ]
    assert played.rounds("server") == [1.0, 1.0]


def test_faults_losses_and_other_sections_are_as_in_a_scenario() -> None:
    blow = {"kind": "crash", "node": "client_1", "at": "1.5 s", "recovers_after": "1 s"}
    played = play("local", until_s=4.0, round_s=[2.0, 2.0], faults={"blow": blow})
    assert [event for event in played.events if event[1] == "client_1"] == [
        (1.5, "client_1", "crash"),
        (1.5, "client_1", "train_lost"),
        (2.5, "client_1", "recover"),
    ]
    # Of two models from client 0 to client 1 the first is lost.
    links = {"uplink": "1024 B/s", "downlink": "1024 B/s", "transfer_loss": 0.5}
    streams = scripted(("transfer_loss", 0, 1, 0))
    ring = play(Ring, until_s=5.0, round_s=[2.0, 9.0], links=links, streams=streams)
    assert ring.of("transfer", "transfer_lost") == [
        (3.0, "client_0", "transfer_lost"),
        (5.0, "client_0", "transfer"),
    ]


def test_a_world_can_be_played_within_a_running_loop() -> None:
    async def cell() -> Played:
        return play("local", until_s=2.0, round_s=[2.0])

    assert asyncio.run(cell()).events == [(2.0, "client_0", "train")]


def test_what_no_protocol_may_do_is_told_as_it_happens() -> None:
    with pytest.raises(Broken, match="they sum to 1.25, not to 1 \\(at 0 s\\)"):
        play(wrong.Heavy, until_s=2.0, round_s=[2.0, 2.0])


@pytest.mark.parametrize(
    ("kind", "settings", "line"),
    [
        ("fedavg", {"dead_line": "5 s"}, "fedavg: dead_line: unknown key, did you mean deadline?"),
        ("fedavg", {"deadline": "0 s"}, "fedavg: deadline: is zero; allowed: more than zero"),
        ("rumour", {}, "rumour: kind: 'rumour' is not known here; allowed: braintorrent, "),
        (Relay, {"patience": 3}, "Relay: patience: "),
    ],
)
def test_a_mistake_is_one_line(kind: str, settings: dict[str, object], line: str) -> None:
    with pytest.raises(ScenarioError) as told:
        play(kind, settings, until_s=1.0, round_s=[1.0])
    assert str(told.value).startswith(line)


def test_a_mistake_in_the_world_is_one_line() -> None:
    with pytest.raises(ScenarioError, match="^tiny: network.packet_loss: 2 is too large, did you"):
        play("local", until_s=1.0, round_s=[1.0], packet_loss=2)
