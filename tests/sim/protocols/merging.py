"""Three clients without a server, whose first merge is worked out by hand."""

from collections.abc import Callable
from typing import Any

from sim.protocols import Running
from sim.world.world import World
from tests.sim import tiny

# One way, in seconds: 0-1 0.25, 0-2 0.5, 1-2 1. All links carry 1024 B/s, a model has 1024 B.
LATENCY = [[0, 0.25, 0.5], [0.25, 0, 1.0], [0.5, 1.0, 0]]

# The clients' first local rounds take 2 x 2 s, 1 x 3 s and 1 x 4.25 s; a merge of n models takes
# n x 0.25 s.
STEP_S = [2.0, 3.0, 4.25]
STEPS = (2, 1, 1)
SAMPLES = (100, 100, 200)

# Client 1 is done at 3 and pings: client 0 is reached at 3.25, client 2 at 4, both still at version
# 0; the last answer is back at 5, nothing is newer, and it trains until 8.
# Client 0 is done at 4 and pings: client 1 is reached at 4.25, client 2 at 4.5, both at version 1;
# the last answer is back at 5.
# Client 2 is done at 4.25 and pings: its last answer is back at 4.25 + 2 = 6.25.
BEFORE_THE_TRANSFERS = [
    (0.0, 3.0, "client_1", "train", "", "round=0 attempt=0"),
    (0.0, 4.0, "client_0", "train", "", "round=0 attempt=0"),
    (0.0, 4.25, "client_2", "train", "", "round=0 attempt=0"),
    (3.0, 2.0, "client_1", "ping", "", "asked=2 answered=2"),
    (4.0, 1.0, "client_0", "ping", "", "asked=2 answered=2"),
    (4.25, 2.0, "client_2", "ping", "", "asked=2 answered=2"),
]
# At 5 client 0 asks for weights. Client 1 is asked at 5.25, its bytes flow from 5.5; client 2 is
# asked at 5.5, its bytes flow from 6. Client 0's downlink gives client 1 512 B until 6, then half
# of it: the other 512 B are there at 7. Client 2 has 512 B by then, the rest at 7.5. The merge of
# three models takes 0.75 s: client 0 trains from 8.25 to 12.25.
TRANSFERS = [
    (5.25, 1.75, "client_1", "transfer", "client_0", ""),
    (5.5, 2.0, "client_2", "transfer", "client_0", ""),
]


def merging(
    *,
    detection: str = "heartbeat",
    streams: tiny.ScriptedStreams | None = None,
    **changes: Any,
) -> tuple[World, Running]:
    """BrainTorrent at time 0; every node sends heartbeats at 0, 5, 10, ..."""
    described = tiny.scenario(
        LATENCY,
        STEP_S,
        {"braintorrent": {"ping_timeout": "2.5 s", **changes.pop("settings", {})}},
        merge_time="0.25 s",
        failure_detection={"kind": detection},
        **changes,
    )
    streams = streams or tiny.scripted()
    return tiny.world(described, samples=SAMPLES, steps=STEPS, streams=streams)


def of(world: World, node: str, *kinds: str) -> list[tiny.Event]:
    """What a node did."""
    return [event for event in tiny.events(world.trace, *kinds) if event[2] == node]


def until(world: World, holds: Callable[[], object]) -> None:
    """Run on, in steps of a quarter of a second, until something holds; it must within 1000 s."""
    while not holds():
        assert world.clock.now < 1000
        tiny.run(world.clock, world.clock.now + 0.25)
