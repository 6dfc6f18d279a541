"""A process that ends on a host that stays up: what each protocol's peers know of it, and when.

Every node sends heartbeats at 0, 5, 10, ... and 15 s of silence are suspicious; each message takes
a quarter of a second, and a model's bytes one more.
"""

from typing import Any

import pytest

from braintorrent.testing import Played, play

SERVER = {"uplink": "2048 B/s", "downlink": "2048 B/s", "aggregation_time": "0 s"}


def ended(protocol: str, at_s: float, of: str, settings: Any = None, **more: Any) -> Played:
    """Client 1 ends at `at_s`, never to come back."""
    kill = {"kind": "crash", "node": "client_1", "at": f"{at_s} s", "of": of}
    return play(protocol, settings, until_s=24.0, latency_s=0.25, faults={"kill": kill}, **more)


@pytest.mark.parametrize(("of", "known_s"), [("process", 6.0), ("host", 20.25)])
def test_braintorrent_goes_on_without_who_was_to_send(of: str, known_s: float) -> None:
    # Client 1's first model is there at 4; client 0 pings at 4.5, asks at 5, and gets bytes from
    # 5.5 on. Suspected is who was last heard of at 5.25.
    played = ended("braintorrent", 5.75, of, round_s=[2.0, 4.0])
    trained = [time_s for time_s, node, _ in played.of("train") if node == "client_0"]
    assert trained[:3] == [2.0, 4.5, known_s + 2.0]
    # As long as it isn't suspected it is pinged, which nobody resets.
    pings = [row.duration_s for row in played.rows if row.kind == "ping" and row.time_s > 6]
    assert pings[:-1] == [1.5] * 4 + [0.0] if of == "process" else pings == [0.0]


@pytest.mark.parametrize(("of", "known_s"), [("process", 5.25), ("host", 20.25)])
def test_fedavgs_server_waits_for_no_update_of_a_process_that_ended(
    of: str, known_s: float
) -> None:
    # Nothing is open: the server's order has come, and client 1 trains. Client 0's update is there
    # at 1.25 + 1 + 1.25 s; the server waits for the other until it is told.
    settings = {"deadline": "60 s"}
    played = ended("fedavg", 5.0, of, settings, round_s=[1.0, 8.0], server=SERVER)
    rounds = [
        (row.time_s, row.duration_s, row.updates) for row in played.rows if row.kind == "round"
    ]
    assert rounds[0] == (0.0, known_s, 1)
    if of == "process":
        # Of the next it is told by a refusal, which takes less than client 0 does.
        assert rounds[1] == (5.25, 3.5, 1)


@pytest.mark.parametrize(("of", "tries"), [("process", [4.75, 8.25, 12.25]), ("host", [4.75])])
def test_gossip_pushes_again_to_a_process_that_ended(of: str, tries: list[float]) -> None:
    # Every 4 s. To whom a push is under way none is started: to a dead host one is until 20.25,
    # when it is suspected; a process's host has reset or refused it by the next period.
    played = ended("gossip", 4.75, of, {"period": "4 s"}, round_s=[2.0, 4.0])
    lost = [time_s for time_s, node, _ in played.of("transfer_lost") if node == "client_0"]
    assert lost[: len(tries)] == pytest.approx(tries) and len(lost) - len(tries) in (0, 1)


def test_a_host_that_crashes_after_its_process_falls_silent() -> None:
    # The push at 8 s is refused by the next period as long as the host is up; else it is under way.
    crash = {"kind": "crash", "node": "client_1", "at": "6 s"}
    for faults, tries in (({}, 2), ({"blow": crash}, 1), ({"blow": crash | {"of": "process"}}, 2)):
        kill = crash | {"at": "4.75 s", "of": "process"}
        played = play(
            "gossip", {"period": "4 s"}, until_s=16.0, latency_s=0.25, round_s=[2.0, 4.0],
            faults={"kill": kill, **faults},
        )  # fmt: skip
        lost = [time_s for time_s, node, _ in played.of("transfer_lost") if node == "client_0"]
        assert len([time_s for time_s in lost if time_s > 6.0]) == tries


@pytest.mark.parametrize("of", ["process", "host"])
def test_standby_leads_when_the_detector_says_so(of: str) -> None:
    # A reset is no suspicion: a leader whose process has ended may be back at once.
    kill = {"kill": {"kind": "crash", "node": "server", "at": "6 s", "of": of}}
    settings = {"deadline": "60 s", "standbys": 2}
    played = play("fedavg", settings, until_s=24.0, latency_s=0.25, round_s=[2.0, 4.0], faults=kill)
    assert played.of("lead") == [(20.75, "standby_1", "lead")]
