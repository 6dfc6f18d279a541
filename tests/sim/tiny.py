"""Builders of tiny worlds whose every number a reader can follow by hand.

Times, sizes and bandwidths are sums of powers of two wherever possible, so that the traces can be
compared exactly: no sum in them is ever rounded.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sim.compute import Lineage
from sim.protocols import Running
from sim.record.rows import TraceRow
from sim.runs.build import Facts, build
from sim.scenario import Scenario
from sim.world.clock import Clock
from sim.world.detection import FailureDetection
from sim.world.medium import Wiring
from sim.world.network import Network
from sim.world.node import Machine, Node
from sim.world.random_streams import Streams
from sim.world.trace import Trace
from sim.world.world import World
from tests.sim.compute.small import unused

MODEL_BYTES = 1024
SERVER = (1 << 32) - 1
"""The server's number in the names of draws; a client's is its index."""
ALL_IS_WELL = 1.0 - 2.0**-53
Event = tuple[float, float, str, str, str, str]
Name = tuple[str | int, ...]


class ScriptedStreams(Streams):
    """Chosen luck for the draws that are named by whole numbers; see `scripted`."""

    lucks: Mapping[Name, float]

    def uniforms(self, purpose: str, *numbers: Any) -> Any:
        """One chosen value for each element of `numbers`, which are broadcast."""
        parts = np.broadcast_arrays(*(np.atleast_1d(each) for each in numbers))
        keys = zip(*(part.ravel().tolist() for part in parts), strict=True)
        return np.array([self._luck((purpose, *key)) for key in keys]).reshape(parts[0].shape)

    def _luck(self, name: Name) -> float:
        for length in range(len(name), 0, -1):
            if name[:length] in self.lucks:
                return self.lucks[name[:length]]
        return 0.0 if name[0] == "heartbeat_phase" else ALL_IS_WELL


def scripted(*lost: Name, lucks: Mapping[Name, float] | None = None) -> ScriptedStreams:
    """Streams of seed 0 that lose exactly these draws where `packet_loss` is above zero.

    A name is (purpose, number of the source, number of the target, the pair's k-th), of heartbeats
    (purpose, sender, k, observer); the beginning of a name stands for all that begin so. What of a
    reliable transport is lost is lost for good. `lucks` chooses other values than 0; what neither
    names comes through at the first try, and heartbeats are sent at whole intervals. With a loss of
    a billionth the named draws are lost and no transfer is slowed.
    """
    streams = ScriptedStreams(0)
    object.__setattr__(streams, "lucks", dict.fromkeys(lost, 0.0) | dict(lucks or {}))
    return streams


def lineage() -> Lineage:
    """Names models and computes none."""
    return unused(name="tiny")


def run(clock: Clock, until_s: float) -> None:
    """Step the clock up to and at `until_s`."""
    asyncio.run(clock.run_until(until_s))


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
            np.full((count, count), latency_s) if np.isscalar(latency_s) else np.array(latency_s),
            np.array(bandwidth, dtype=np.float64),
            np.array(bandwidth, dtype=np.float64),
            **wiring,
        ),
        detection,
    )


def lone_node(machine: Machine, streams: Streams | None = None) -> Node:
    """One node that has nobody to talk to and nothing to do yet."""
    return Node(0, network(0.0, [1.0], streams=streams), lineage(), machine)


def scenario(
    latency_s: Sequence[Sequence[float]],
    step_s: Sequence[float],
    protocols: dict[str, Any],
    **changes: Any,
) -> Scenario:
    """A scenario of `len(step_s)` clients; `latency_s` has one row more if there is a server."""
    links = changes.pop("links", {"uplink": "1024 B/s", "downlink": "1024 B/s"})
    merge_time = changes.pop("merge_time", "0 s")
    packet_loss = changes.pop("packet_loss", 0.0)
    return Scenario.model_validate(
        {
            "name": "tiny",
            "duration": "1000 s",
            "seeds": [0],
            "task": {"name": "digits", "partition": {"kind": "iid"}},
            "model": {"name": "mlp"},
            "training": {"learning_rate": 0.1, "batch_size": 32, "local_epochs": 1},
            "clients": {
                "count": len(step_s),
                "step_time": [f"{each} s" for each in step_s],
                "merge_time": merge_time,
            },
            "network": {
                "latency": {"matrix": latency_s, "unit": "s"},
                "packet_loss": packet_loss,
                **links,
            },
            "evaluation": {"every": "10 s"},
            "protocols": protocols,
            **changes,
        }
    )


def world(
    described: Scenario,
    *,
    samples: Sequence[int],
    steps: Sequence[int],
    streams: Streams | None = None,
) -> tuple[World, Running]:
    """The scenario's only protocol at time 0, with models of `MODEL_BYTES`."""
    (protocol,) = described.protocols
    facts = Facts(tuple(samples), tuple(steps), sum(samples), sum(steps), MODEL_BYTES // 4)
    made, running = build(described, protocol, 0, lineage(), facts)
    if streams is not None:
        made.streams = made.network.streams = streams
        for node in made.nodes:
            node.streams = streams
        # A detector draws its phases when it is made.
        made.network.detector = described.failure_detection.detector(made.network)
    return made, running


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
