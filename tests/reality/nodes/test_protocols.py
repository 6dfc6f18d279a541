"""Each protocol, played by processes over loopback of which one is struck, and comes back."""

import signal
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.reality.alone import alone
from tests.reality.nodes.loopback import BACK_S, CONFIG, END_S, KILLED_S, Late, Line, World, played
from tests.reality.nodes.node import Node
from tests.reality.nodes.protocols import protocol

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
NONE = {"transfer_timeout": None, "push_timeout": None, "receive_timeout": None}
ACK = {"ack_timeout": 1.0, "timeout": 1.0}
PUSHES = (("push_phase_s", 0.05), ("push_to", [CLIENTS[1:], ["client_0"]] * 20))
TURNS = (("aggregators", [CLIENTS, CLIENTS[1:]] * 25), ("ask_of", [CLIENTS] * 50))
FIRST = (("aggregators", [CLIENTS] * 50), ("ask_of", [CLIENTS] * 50))
WORLDS = {
    "braintorrent": World("braintorrent", "client_1", {"ping_timeout": 0.2, **NONE}),
    "d_psgd": World("d_psgd", "client_1", NONE),
    "gossip": World("gossip", "client_1", {"period": 0.2}, luck=PUSHES),
    "swarm": World("swarm", "client_1", ACK, luck=TURNS),
    "silent_aggregator": World("swarm", "client_0", ACK, luck=FIRST, strike=signal.SIGSTOP),
    "fedavg": World("fedavg", "client_1", SERVER, servers=1),
    "server": World("fedavg", "server", SERVER, servers=1),
    "standby": World("fedavg", "server", SERVER, servers=2),
    "silent_leader": World("fedavg", "server", SERVER, servers=2, strike=signal.SIGSTOP),
}

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs all of 127.0.0.0/8")


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Line]]:
    try:
        with alone(tmp_path_factory):
            return played(WORLDS, tmp_path_factory.mktemp("nodes"))
    except Late as late:
        pytest.skip(str(late))


def of(lines: Iterable[Line], kind: str, **what: Any) -> list[Line]:
    """The lines of a kind that say this."""
    return [
        line
        for line in lines
        if line["kind"] == kind and all(line[name] == value for name, value in what.items())
    ]


def ended_s(line: Line) -> float:
    time_s: float = line["time_s"] + line["duration_s"]
    return time_s


def merged(lines: list[Line], since_s: float, until_s: float, without: str) -> set[str]:
    """Whose models the others have merged in that time."""
    merges = [line for line in of(lines, "merge") if since_s < line["time_s"] < until_s]
    return {peer for line in merges if line["node"] != without for peer in line["peers"]}


@linux
@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name, w in WORLDS.items() if w.strike == signal.SIGKILL])
def test_all_find_out(logs: dict[str, list[Line]], name: str) -> None:
    struck = WORLDS[name].struck
    told = [*of(logs[name], "suspect", peer=struck), *of(logs[name], "trust", peer=struck)]
    observers = Counter((line["kind"], line["node"]) for line in told)
    assert set(observers.values()) == {1}
    assert len(observers) == 2 * (len(WORLDS[name].names) - 1)
    for line in of(told, "suspect"):
        assert KILLED_S + 0.3 < line["time_s"] < BACK_S
    for line in of(told, "trust"):
        assert BACK_S < line["time_s"] < END_S


@linux
@pytest.mark.slow
@pytest.mark.parametrize("name", ["braintorrent", "d_psgd", "gossip", "swarm", "fedavg"])
def test_one_attempt_is_lost_with_a_crash_and_no_round(
    logs: dict[str, list[Line]], name: str
) -> None:
    for client in CLIENTS:
        trained = of(logs[name], "train", node=client)
        rounds = [line["round"] for line in trained]
        lost = trained[-1]["attempt"] - rounds[-1]
        assert rounds == list(range(len(rounds)))
        # Of who is killed while it waits, none.
        assert lost in ((0, 1) if client == "client_1" else (0,))


@linux
@pytest.mark.slow
@pytest.mark.parametrize("name", ["braintorrent", "d_psgd", "gossip", "swarm"])
def test_others_merge_without_who_is_away(logs: dict[str, list[Line]], name: str) -> None:
    missed_s = max(line["time_s"] for line in of(logs[name], "suspect"))
    assert "client_1" in merged(logs[name], 0.0, KILLED_S, "client_1")
    assert "client_1" not in merged(logs[name], missed_s + 0.2, BACK_S, "client_1")
    assert merged(logs[name], missed_s, BACK_S, "client_1")
    assert "client_1" in merged(logs[name], BACK_S, END_S, "client_1")


@linux
@pytest.mark.slow
def test_fedavg_goes_on_without_a_client(logs: dict[str, list[Line]]) -> None:
    rounds = of(logs["fedavg"], "round")
    assert [line["round"] for line in rounds] == list(range(len(rounds)))
    assert {line["asked"] for line in rounds} == {2, 3}
    assert rounds[-1]["asked"] == rounds[-1]["updates"] == 3
    assert {line["updates"] for line in rounds} == {2, 3}


@linux
@pytest.mark.slow
def test_fedavg_waits_for_its_server(logs: dict[str, list[Line]]) -> None:
    rounds = of(logs["server"], "round")
    assert [line["round"] for line in rounds] == list(range(len(rounds)))
    assert not [line for line in rounds if KILLED_S + 0.1 < ended_s(line) < BACK_S]
    assert ended_s(rounds[-1]) > BACK_S


@linux
@pytest.mark.slow
def test_standby_takes_over(logs: dict[str, list[Line]]) -> None:
    (lead,) = of(logs["standby"], "lead")
    assert (lead["node"], lead["asked"]) == ("standby_1", 5)
    assert lead["answered"] in (3, 4)  # It needn't wait for all.
    assert lead["time_s"] < BACK_S
    before = of(logs["standby"], "round", node="server")
    after = of(logs["standby"], "round", node="standby_1")
    # At most the round whose replica was under way is done again.
    assert before[-1]["round"] <= after[0]["round"] <= before[-1]["round"] + 1
    assert after[-1]["time_s"] > BACK_S


@linux
@pytest.mark.slow
def test_old_leader_that_was_silent_steps_down(logs: dict[str, list[Line]]) -> None:
    lines = logs["silent_leader"]
    (lead,) = of(lines, "lead")
    assert lead["node"] == "standby_1"
    assert not [line for line in of(lines, "round", node="server") if line["time_s"] > BACK_S]
    assert of(lines, "round", node="standby_1")[-1]["time_s"] > BACK_S


@linux
@pytest.mark.slow
def test_swarm_goes_on_with_an_aggregator_that_was_silent(logs: dict[str, list[Line]]) -> None:
    merges = of(logs["silent_aggregator"], "merge")
    assert {line["node"] for line in merges if ended_s(line) < KILLED_S} == {"client_0"}
    away = [line for line in merges if KILLED_S + 0.1 < line["time_s"] < BACK_S]
    assert {line["node"] for line in away} == {"client_1"}
    back = [line for line in merges if line["time_s"] > BACK_S + 0.1]
    assert {node for line in back for node in (line["node"], *line["peers"])} == set(CLIENTS)


@pytest.mark.parametrize("setting", [{"order": "train_then_merge"}, {"exchange": "push_pull"}])
def test_what_is_not_done_here_is_refused(tmp_path: Path, setting: dict[str, str]) -> None:
    config = replace(CONFIG, settings=setting, storage=str(tmp_path))
    with pytest.raises(ValueError, match="is not done here, only"):
        Node(config, protocol(config))
