"""Each protocol, played by processes over loopback of which one is killed, and comes back."""

import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.reality.nodes.loopback import CONFIG, Line, loopback
from tests.reality.nodes.node import Node
from tests.reality.nodes.protocols import protocol

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="needs all of 127.0.0.0/8"),
]

CLIENTS = ["client_0", "client_1", "client_2"]
SERVER = {
    "deadline": 2.0,
    "close_at": 1.0,
    "minimum_fraction": 0.5,
    "retry_initial": 0.1,
    "retry_cap": 0.4,
    "transfer_timeout": None,
    "replicate_every": 1,
}
KILLED_S, BACK_S, END_S = 0.4, 1.1, 1.7


def of(lines: Iterable[Line], kind: str, **what: Any) -> list[Line]:
    """The lines of a kind that say this."""
    return [
        line
        for line in lines
        if line["kind"] == kind and all(line[name] == value for name, value in what.items())
    ]


def play(folder: Path, protocol: str, killed: str, **other: Any) -> list[Line]:
    """The lines of three clients, of whom one is away for a while; or a server is."""
    with loopback(folder, protocol, END_S, **other) as nodes:
        nodes.kill(killed, KILLED_S)
        nodes.start(killed, BACK_S)
        return nodes.end()


def check_detection(lines: list[Line], killed: str) -> None:
    """All have missed the killed node after the time-out, and heard that it is back."""
    told = [*of(lines, "suspect", peer=killed), *of(lines, "trust", peer=killed)]
    observers = Counter((line["kind"], line["node"]) for line in told)
    assert set(observers.values()) == {1}
    for line in of(told, "suspect"):
        assert KILLED_S + 0.2 < line["time_s"] < BACK_S
    for line in of(told, "trust"):
        assert BACK_S < line["time_s"] < END_S


def check_attempts(lines: list[Line]) -> None:
    """One attempt is lost with the crash, and no other; no finished round is done again."""
    for client in CLIENTS:
        trained = of(lines, "train", node=client)
        rounds = [line["round"] for line in trained]
        assert rounds == list(range(len(rounds)))
        assert trained[-1]["attempt"] - rounds[-1] == (0 if client != "client_1" else 1)


def merged(lines: list[Line], since_s: float, until_s: float, without: str) -> set[str]:
    """Whose models the others have merged in that time."""
    merges = [line for line in of(lines, "merge") if since_s < line["time_s"] < until_s]
    return {peer for line in merges if line["node"] != without for peer in line["peers"]}


@pytest.mark.parametrize(
    ("protocol", "other"),
    [
        ("braintorrent", {"settings": {"ping_timeout": 0.2, "transfer_timeout": None}}),
        ("d_psgd", {"settings": {"push_timeout": None, "receive_timeout": None}}),
        (
            "gossip",
            {
                "settings": {"period": 0.15},
                "luck": {"push_phase_s": 0.05, "push_to": [CLIENTS[1:], ["client_0"]] * 20},
            },
        ),
        (
            "swarm",
            {
                "settings": {"ack_timeout": 1.0, "timeout": 1.0},
                "luck": {"aggregators": [CLIENTS, CLIENTS[1:]] * 25, "ask_of": [CLIENTS] * 50},
            },
        ),
    ],
)
def test_client_is_killed_and_comes_back(tmp_path: Path, protocol: str, other: Any) -> None:
    lines = play(tmp_path, protocol, "client_1", **other)
    check_detection(lines, "client_1")
    check_attempts(lines)
    missed_s = max(line["time_s"] for line in of(lines, "suspect"))
    assert "client_1" in merged(lines, 0.0, KILLED_S, "client_1")
    assert "client_1" not in merged(lines, missed_s + 0.25, BACK_S, "client_1")
    assert merged(lines, missed_s, BACK_S, "client_1")
    assert "client_1" in merged(lines, BACK_S, END_S, "client_1")


def test_fedavg_goes_on_without_a_client(tmp_path: Path) -> None:
    lines = play(tmp_path, "fedavg", "client_1", servers=1, settings=SERVER)
    check_detection(lines, "client_1")
    check_attempts(lines)
    rounds = of(lines, "round")
    assert [line["round"] for line in rounds] == list(range(len(rounds)))
    assert {line["asked"] for line in rounds} == {2, 3}
    assert rounds[-1]["asked"] == rounds[-1]["updates"] == 3
    # The one in which it was killed ends when it is missed.
    assert max(line["duration_s"] for line in rounds) > 0.22


def test_fedavg_waits_for_its_server(tmp_path: Path) -> None:
    lines = play(tmp_path, "fedavg", "server", servers=1, settings=SERVER)
    check_detection(lines, "server")
    rounds = of(lines, "round")
    assert [line["round"] for line in rounds] == list(range(len(rounds)))
    ended_s = [line["time_s"] + line["duration_s"] for line in rounds]
    assert not [time_s for time_s in ended_s if KILLED_S + 0.1 < time_s < BACK_S]
    assert max(ended_s) > BACK_S


def test_standby_takes_over(tmp_path: Path) -> None:
    lines = play(tmp_path, "fedavg", "server", servers=2, settings=SERVER)
    check_detection(lines, "server")
    (lead,) = of(lines, "lead")
    assert (lead["node"], lead["asked"], lead["answered"]) == ("standby_1", 5, 4)
    before, after = of(lines, "round", node="server"), of(lines, "round", node="standby_1")
    assert lead["time_s"] < BACK_S
    # At most the round whose replica was under way is done again.
    assert before[-1]["round"] <= after[0]["round"] <= before[-1]["round"] + 1
    assert after[-1]["time_s"] > BACK_S


@pytest.mark.parametrize("setting", [{"order": "train_then_merge"}, {"exchange": "push_pull"}])
def test_what_is_not_done_here_is_refused(tmp_path: Path, setting: dict[str, str]) -> None:
    config = replace(CONFIG, settings=setting, storage=str(tmp_path))
    with pytest.raises(ValueError, match="is not done here, only"):
        Node(config, protocol(config))
