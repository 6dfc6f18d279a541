"""A server and two clients, whose rounds are worked out by hand.

With models of 1024 B and nothing in anybody's way:
  client 0 gets the model at 0.25 + 1024/1024 = 1.25, trains 2 x 1 s until 3.25, and its update is
  at the server at 3.25 + 0.25 + 1024/512 = 5.5;
  client 1 gets it at 1.5, trains 1 x 2.25 s until 3.75, and is done at 3.75 + 0.5 + 2 = 6.25.
The aggregation of two models takes 0.5 s: the round ends at 6.75.
"""

from typing import Any

from sim.protocols.fedavg import ServerRounds
from sim.protocols.shared.participants import Participants
from sim.world.world import World
from tests.sim import tiny

# One way, in seconds: client 0 to the server 0.25, client 1 to the server 0.5.
LATENCY = [[0, 1.0, 0.25], [1.0, 0, 0.5], [0.25, 0.5, 0]]
LINKS: dict[str, Any] = {"uplink": "512 B/s", "downlink": "1024 B/s"}
SERVER = {"uplink": "2048 B/s", "downlink": "4096 B/s", "aggregation_time": "0.25 s"}
ROUND_S = 6.75

DOWNLOADS = [
    (0.0, 1.25, "server", "transfer", "client_0", ""),
    (0.0, 1.5, "server", "transfer", "client_1", ""),
]
TRAININGS = [
    (1.25, 2.0, "client_0", "train", "", "round=0 attempt=0"),
    (1.5, 2.25, "client_1", "train", "", "round=0 attempt=0"),
]
UPLOADS = [
    (3.25, 2.25, "client_0", "transfer", "server", ""),
    (3.75, 2.5, "client_1", "transfer", "server", ""),
]


def serving(**how: Any) -> tuple[World, ServerRounds]:
    """FedAvg; see `under`."""
    made, running = under("fedavg", **how)
    assert isinstance(running, ServerRounds)
    return made, running


def under(
    protocol: str,
    *,
    server: dict[str, Any] | None = None,
    step_s: tuple[float, float] = (1.0, 2.25),
    detection: str = "heartbeat",
    links: dict[str, Any] | None = None,
    samples: tuple[int, int] = (100, 300),
    streams: tiny.ScriptedStreams | None = None,
    **more: Any,
) -> tuple[World, Participants]:
    """A protocol at time 0, with a deadline of 100 s; all send heartbeats at 0, 5, 10, ..."""
    settings = {"deadline": "100 s", **more.pop("settings", {})}
    described = tiny.scenario(
        LATENCY,
        step_s,
        {protocol: settings},
        links=LINKS | (links or {}),
        server=SERVER | (server or {}),
        failure_detection={"kind": detection},
        **more,
    )
    streams = streams or tiny.scripted()
    made, running = tiny.world(described, samples=samples, steps=(2, 1), streams=streams)
    assert isinstance(running, Participants)
    return made, running


def crash(node: str, at: str, **more: Any) -> dict[str, Any]:
    return {"blow": {"kind": "crash", "node": node, "at": at, **more}}


def outage(node: str, from_s: float, to_s: float) -> dict[str, Any]:
    return crash(node, f"{from_s} s", recovers_after=f"{to_s - from_s} s")


def cut(from_s: float, to_s: float) -> dict[str, Any]:
    """A partition between the server and everybody else."""
    span = {"at": f"{from_s} s", "heals_after": f"{to_s - from_s} s"}
    return {"cut": {"kind": "partition", "groups": [["server"]], **span}}


def rounds(world: World, *kinds: str) -> list[tuple[float, float]]:
    """Start and duration of each server round."""
    return [event[:2] for event in tiny.events(world.trace, *(kinds or ("round",)))]
