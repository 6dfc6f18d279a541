"""The kit's tiny worlds, and what only tests of the world itself need beside them.

Times, sizes and bandwidths are sums of powers of two wherever possible, so that the traces can be
compared exactly: no sum in them is ever rounded.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from braintorrent.testing.tiny import (
    MODEL_BYTES,
    SERVER,
    Name,
    ScriptedStreams,
    run,
    scenario,
    scripted,
    world,
)
from sim.compute import Lineage
from sim.record.rows import TraceRow
from sim.world.clock import Clock
from sim.world.detection import FailureDetection
from sim.world.links.latencies import Given
from sim.world.medium import Wiring
from sim.world.network import Network
from sim.world.node import Machine, Node
from sim.world.random_streams import Streams
from sim.world.trace import Trace
from tests.sim.compute.small import unused

__all__ = [
    "MODEL_BYTES",
    "SERVER",
    "Event",
    "Name",
    "ScriptedStreams",
    "events",
    "latencies_s",
    "lineage",
    "lone_node",
    "network",
    "run",
    "scenario",
    "scripted",
    "told",
    "world",
]

Event = tuple[float, float, str, str, str, str]


def lineage() -> Lineage:
    """Names models and computes none."""
    return unused(name="tiny")


def network(
    latency_s: Sequence[Sequence[float]] | float,
    bandwidth: Sequence[float],
    *,
    streams: Streams | None = None,
    detection: FailureDetection | None = None,
    **wiring: Any,
) -> Network:
    """A bare network; `bandwidth` [n] bytes per second is both uplink and downlink."""
    count = len(bandwidth)
    return Network(
        Clock(),
        Trace("", 0),
        streams or Streams(0),
        Wiring(
            tuple(f"client_{i}" for i in range(count)),
            Given(np.array(np.broadcast_to(latency_s, (count, count)), dtype=np.float64)),
            np.array(bandwidth, dtype=np.float64),
            np.array(bandwidth, dtype=np.float64),
            **wiring,
        ),
        detection,
    )


def latencies_s(network: Network, nodes: Sequence[int] | None = None) -> npt.NDArray[np.float64]:
    """One way from each of some nodes, or all, to each other of them [n, n]."""
    every = np.array(range(len(network.numbers)) if nodes is None else nodes, dtype=np.int64)
    return network.wiring.latencies.between(every[:, None], every)


def lone_node(machine: Machine, streams: Streams | None = None) -> Node:
    """One node that has nobody to talk to and nothing to do yet."""
    return Node(0, network(0.0, [1.0], streams=streams), lineage(), machine)


def told(row: TraceRow) -> str:
    """The columns that apply: "round=0 attempt=1", or a cause or peers alone."""
    found = {name: value for name, value in row._asdict().items() if value is not None}
    names = [name for name in TraceRow._fields[8:] if name in found]
    if names in (["cause"], ["peers"]):
        return row.cause or " ".join(row.peers or ())
    return " ".join(f"{name}={found[name]}" for name in names)


def events(trace: Trace, *kinds: str) -> list[Event]:
    """(start, duration, node, kind, peer, what else it tells) in the order in which they ended."""
    return [
        (row.time_s, row.duration_s, row.node, row.kind, row.peer, told(row))
        for row in trace.rows
        if not kinds or row.kind in kinds
    ]
