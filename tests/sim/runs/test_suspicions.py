"""What nodes believe of each other, told in the trace to the instant, and to nobody's harm."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from braintorrent.testing.tiny import LINKS
from sim.record.rows import TraceRow
from sim.world import Streams
from tests.sim import tiny
from tests.worlds import trial

BELIEFS = ("suspect", "trust")
DETECTION = {"kind": "heartbeat", "interval": "4 s", "timeout": "10 s"}


def played(
    *faults: dict[str, Any],
    detection: Any = DETECTION,
    suspicions: bool = True,
    protocol: str = "braintorrent",
    clients: int = 2,
    streams: Streams | None = None,
    packet_loss: float = 0.0,
    until_s: float = 64.0,
) -> list[TraceRow]:
    """The trace of clients 0.25 s apart who send heartbeats at 0, 4, 8, ... s and wait for 10 s."""
    described = tiny.scenario(
        [[0.25] * (clients + 1)] * (clients + 1),
        [1.0] * clients,
        {protocol: {"deadline": "20 s"} if protocol == "fedavg" else {}},
        packet_loss=packet_loss,
        server={**LINKS, "aggregation_time": "0 s"},
        failure_detection=detection,
        faults={f"f{number}": fault for number, fault in enumerate(faults)},
        evaluation={"every": "10 s", "suspicions": suspicions},
    )
    world, _ = tiny.world(
        described, samples=[10] * clients, steps=[2] * clients, streams=streams or tiny.scripted()
    )
    tiny.run(world.clock, until_s)
    return world.trace.rows


def beliefs(rows: list[TraceRow]) -> list[tuple[float, str, str, str]]:
    return [(row.time_s, row.node, row.kind, row.peer) for row in rows if row.kind in BELIEFS]


def down(node: str, at_s: float, after_s: float | None) -> dict[str, Any]:
    after = None if after_s is None else f"{after_s} s"
    return {"kind": "crash", "node": node, "at": f"{at_s} s", "recovers_after": after}


def test_a_crash_is_believed_late_and_a_recovery_at_its_heartbeat() -> None:
    rows = played(down("client_1", 9.0, 21.0))
    assert beliefs(rows) == [
        (18.25, "client_0", "suspect", "client_1"),
        (30.25, "client_0", "trust", "client_1"),
    ]


def test_who_is_down_believes_nothing_and_starts_anew() -> None:
    """Client 0 has forgotten that it suspected client 1, and finds out again after a time-out."""
    rows = played(down("client_1", 9.0, None), down("client_0", 20.0, 12.0))
    assert beliefs(rows) == [
        (18.25, "client_0", "suspect", "client_1"),
        (42.0, "client_0", "suspect", "client_1"),
    ]


def test_who_can_not_be_reached_is_suspected_from_both_sides() -> None:
    cut = {"kind": "partition", "groups": [["client_1"]], "at": "9 s", "heals_after": "14 s"}
    rows = played(cut)
    assert beliefs(rows) == [
        (18.25, "client_0", "suspect", "client_1"),
        (18.25, "client_1", "suspect", "client_0"),
        (24.25, "client_0", "trust", "client_1"),
        (24.25, "client_1", "trust", "client_0"),
    ]


def test_who_knows_all_believes_at_once_and_who_has_no_detector_never() -> None:
    fault = down("client_1", 9.0, 21.0)
    assert beliefs(played(fault, detection={"kind": "perfect"})) == [
        (9.0, "client_0", "suspect", "client_1"),
        (30.0, "client_0", "trust", "client_1"),
    ]
    assert beliefs(played(fault, detection={"kind": "none"})) == []


def test_servers_believe_and_are_believed_too() -> None:
    rows = played(down("server", 9.0, 21.0), down("client_0", 41.0, None), protocol="fedavg")
    assert beliefs(rows) == [
        (18.25, "client_0", "suspect", "server"),
        (18.25, "client_1", "suspect", "server"),
        (30.25, "client_0", "trust", "server"),
        (30.25, "client_1", "trust", "server"),
        (50.25, "client_1", "suspect", "client_0"),
        (50.25, "server", "suspect", "client_0"),
    ]


def test_who_has_not_come_or_has_left_is_not_suspected() -> None:
    """Client 2 joins, goes down, is found out, and leaves; client 1 leaves while it is up."""
    rows = played(
        {"kind": "join", "nodes": "client_2", "at": "9 s"},
        down("client_2", 13.0, 20.0),
        {"kind": "leave", "nodes": "client_2", "at": "50 s"},
        down("client_2", 33.5, None),
        {"kind": "leave", "nodes": "client_1", "at": "40 s"},
        clients=3,
    )
    assert beliefs(rows) == [
        (22.25, "client_0", "suspect", "client_2"),
        (22.25, "client_1", "suspect", "client_2"),
        (33.25, "client_0", "trust", "client_2"),
        (33.25, "client_1", "trust", "client_2"),
        (43.25, "client_0", "suspect", "client_2"),
    ]


TIMES = st.tuples(st.integers(1, 60), st.integers(1, 40))


@settings(max_examples=8, deadline=None)
@given(
    st.sampled_from(["braintorrent", "fedavg", "swarm", "d_psgd", "cyclic"]),
    st.sampled_from([DETECTION, {"kind": "perfect"}]),
    st.sampled_from([0.0, 0.2]),
    st.tuples(TIMES, TIMES, TIMES),
)
def test_nothing_else_changes(
    protocol: str, detection: Any, loss: float, times_s: tuple[tuple[int, int], ...]
) -> None:
    def rows(suspicions: bool) -> list[TraceRow]:
        return played(
            *(down(f"client_{number}", *times) for number, times in enumerate(times_s)),
            detection=detection,
            suspicions=suspicions,
            protocol=protocol,
            clients=3,
            streams=Streams(0),
            packet_loss=loss,
        )

    told = rows(True)
    assert [row for row in told if row.kind not in BELIEFS] == rows(False)
    assert_alternates(told)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["braintorrent", "fedavg", "swarm", "gossip"])
def test_nothing_else_changes_in_random_worlds(kind: str) -> None:
    for number in range(6):
        made = trial(kind, 16, number, 120.0)
        looks = made.world.sections["evaluation"] | {"suspicions": True}
        sections = {**made.world.sections, "evaluation": looks}
        told = replace(made, world=replace(made.world, sections=sections)).unwatched()
        assert [row for row in told if row.kind not in BELIEFS] == made.unwatched()
        assert_alternates(told)


def assert_alternates(rows: list[TraceRow]) -> None:
    """Who suspects doesn't suspect again, and trusts only whom it suspected; a crash forgets."""
    suspected: dict[str, set[str]] = {}
    is_down: set[str] = set()
    for row in rows:
        if row.kind in ("crash", "leave"):
            is_down.add(row.node)
            suspected[row.node] = set()
        elif row.kind == "recover":
            is_down.discard(row.node)
        elif row.kind in BELIEFS:
            own = suspected.setdefault(row.node, set())
            assert row.node not in is_down
            assert (row.peer in own) == (row.kind == "trust")
            own ^= {row.peer}
