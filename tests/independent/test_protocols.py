"""BrainTorrent and FedAvg, event by event, as naive programs on one heap have them."""

import math
import random
from collections.abc import Sequence
from typing import Any

import pytest

from braintorrent.testing import play, scripted
from braintorrent.testing.tiny import SERVER, Name
from tests.independent import braintorrent, fedavg
from tests.independent.naive import Described, Row

KINDS = (
    "train", "train_lost", "ping", "merge", "transfer", "transfer_lost", "message_lost", "round",
    "round_failed", "suspect", "trust", "crash", "recover",
)  # fmt: skip
PROTOCOLS = ("braintorrent", "fedavg")
UNTIL_S, DEADLINE_S, AGGREGATION_S = 40.0, 12.0, 0.25


def drawn(number: int, *, server: bool) -> Described:
    """A world by chance: up to six nodes, of which any crash and are cut off."""
    dice = random.Random(f"naive {number}")
    clients = dice.randint(1, 5)
    nodes = clients + server

    def some(low: float, high: float) -> float:
        return round(dice.uniform(low, high), 3)

    outages = []
    for node in range(nodes):
        time_s = some(0.0, 40.0)
        while time_s < UNTIL_S and dice.random() < 0.6:
            back_s = time_s + some(0.2, 12.0) if dice.random() < 0.8 else math.inf
            outages.append((node, time_s, back_s))
            time_s = back_s + some(1.0, 30.0)
    cuts, time_s = [], some(0.0, 50.0)
    while nodes > 1 and time_s < UNTIL_S and dice.random() < 0.7:
        group = dice.sample(range(nodes), dice.randint(1, nodes - 1))
        cuts.append((group, time_s, time_s + some(0.2, 12.0)))
        time_s = some(0.0, 60.0)
    return Described(
        [*(f"client_{i}" for i in range(clients)), *(["server"] if server else [])],
        [[0.0 if i == j else some(0.01, 0.6) for j in range(nodes)] for i in range(nodes)],
        [float(dice.randint(256, 4096)) for _ in range(nodes)],
        [some(0.3, 6.0) for _ in range(clients)],
        [some(0.0, 1.0) for _ in range(nodes)],
        outages,
        cuts,
        dice.choice([0.0, 0.125]),
        1.0,
        dice.choice([3.25, 5.25]),  # No multiple of the interval: who is heard again then is a tie.
        dice.choice([4.0, 30.0]),
    )


def simulated(of: Described, protocol: str, settings: Any, until_s: float) -> list[Row]:
    """The rows of the same world, played by the program."""
    clients = len(of.round_s)
    faults: dict[str, Any] = {}
    for node, from_s, to_s in of.outages:
        recovers = {} if to_s == math.inf else {"recovers_after": f"{to_s - from_s!r} s"}
        crash = {"kind": "crash", "node": of.names[node], "at": f"{from_s} s", **recovers}
        faults[f"outage_{len(faults)}"] = crash
    for group, from_s, to_s in of.cuts:
        names = [of.names[node] for node in group]
        times = {"at": f"{from_s} s", "heals_after": f"{to_s - from_s!r} s"}
        faults[f"cut_{len(faults)}"] = {"kind": "partition", "groups": [names], **times}
    widths = [f"{each} B/s" for each in of.bandwidth]
    links = {"uplink": widths[:clients], "downlink": widths[:clients], "sharing": "none"}
    more: dict[str, Any] = {}
    if len(of.names) > clients:
        both = {"uplink": widths[-1], "downlink": widths[-1]}
        more["server"] = {**both, "aggregation_time": f"{AGGREGATION_S} s"}
    numbers = [*range(clients), *([SERVER] if more else [])]
    lucks: dict[Name, float] = {
        ("heartbeat_phase", number): phase_s / of.interval_s
        for number, phase_s in zip(numbers, of.phase_s, strict=True)
    }
    played = play(
        protocol,
        settings,
        until_s=until_s,
        round_s=of.round_s,
        latency_s=of.latency_s,
        faults=faults,
        streams=scripted(lucks=lucks),
        links=links | {"stall_timeout": f"{of.stall_s} s"},
        merge_time=f"{of.merge_s} s",
        failure_detection={
            "kind": "heartbeat",
            "interval": f"{of.interval_s} s",
            "timeout": f"{of.timeout_s} s",
        },
        evaluation={"every": "10 s", "suspicions": True},
        **more,
    )
    return [
        (row.kind, row.node, row.time_s, row.duration_s, _what(row))
        for row in played.rows
        if row.kind in KINDS
    ]


def _what(row: Any) -> Any:
    match row.kind:
        case "ping":
            return row.asked, row.answered
        case "round" | "round_failed":
            return row.asked, row.updates
        case "merge":
            return row.peers
        case "transfer_lost" | "message_lost":
            return row.peer, row.cause
        case "transfer" | "suspect" | "trust":
            return row.peer
        case _:
            return None


def check(ours: Sequence[Row], naive: Sequence[Row]) -> None:
    """The same events, at the same times."""

    def ordered(rows: Sequence[Row]) -> list[Row]:
        return sorted(rows, key=lambda row: (row[0], row[1], str(row[4]), row[2]))

    found, expected = ordered(ours), ordered(naive)
    assert [(row[0], row[1], row[4]) for row in found] == [
        (row[0], row[1], row[4]) for row in expected
    ]
    for one, other in zip(found, expected, strict=True):
        assert one[2:4] == pytest.approx(other[2:4], abs=1e-9), one


def compare(of: Described, protocol: str) -> int:
    """Play one world twice; how many events it has."""
    if protocol == "fedavg":
        naive = fedavg.played(of, UNTIL_S, DEADLINE_S, AGGREGATION_S)
        settings = {"deadline": f"{DEADLINE_S} s"}
    else:
        naive, settings = braintorrent.played(of, UNTIL_S), {}
    check(simulated(of, protocol, settings, UNTIL_S), naive)
    return len(naive)


def several(numbers: range, protocol: str) -> int:
    """Random worlds, played twice; how many events they have."""
    has_server = protocol == "fedavg"
    return sum(compare(drawn(number, server=has_server), protocol) for number in numbers)


# A third node, the server or a client, is away or cut off: while it trains or aggregates, sends or
# is sent to, and for longer than others wait.
OUTAGES = ((1.4375, 3.3125), (4.6875, 4.8125), (6.0625, 27.1875), (11.5625, math.inf))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("is_cut", [False, True])
@pytest.mark.parametrize("outage", OUTAGES)
def test_a_node_that_is_away_or_cut_off(
    outage: tuple[float, float], is_cut: bool, protocol: str
) -> None:
    from_s, to_s = outage
    of = Described(
        ["client_0", "client_1", "server" if protocol == "fedavg" else "client_2"],
        [[0.0, 0.25, 0.375], [0.25, 0.0, 0.125], [0.375, 0.125, 0.0]],
        [1024.0, 512.0, 2048.0],
        [2.0, 3.03125] + ([] if protocol == "fedavg" else [1.015625]),
        [0.0, 0.51171875, 0.2578125],
        [] if is_cut else [(2, from_s, to_s)],
        [([2], from_s, min(to_s, 1000.0))] if is_cut else [],
        0.125,
        1.0,
        3.0,
        10.0,
    )
    assert compare(of, protocol) > 10


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_random_worlds_have_the_same_events(protocol: str) -> None:
    assert several(range(6), protocol) > 200


@pytest.mark.slow
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_hundreds_of_random_worlds_have_the_same_events(protocol: str) -> None:
    assert several(range(6, 256), protocol) > 10_000
