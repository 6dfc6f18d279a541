"""Tiny worlds whose every number a reader can follow by hand.

A model has 1024 bytes, links carry 1024 bytes per second, and whatever is not said takes no time.
Keep times to sums of powers of two: then nothing is ever rounded, and traces compare exactly.
"""

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from braintorrent.testing.counters import Counters
from braintorrent.testing.kinds import validated
from sim.protocols import Running
from sim.runs.build import Facts, build
from sim.scenario import Scenario
from sim.world import Clock, Streams, World

MODEL_BYTES = 1024
SERVER = (1 << 32) - 1
"""The server's number in the names of draws; a client's is its index."""
ALL_IS_WELL = 1.0 - 2.0**-53
LINKS = {"uplink": "1024 B/s", "downlink": "1024 B/s"}
Name = tuple[str | int, ...]


class ScriptedStreams(Streams):
    """Chosen luck for the draws that are named by whole numbers; see `scripted`."""

    lucks: Mapping[Name, float]

    def uniforms(self, purpose: str, *numbers: Any) -> Any:
        """One chosen value for each element of `numbers`, which are broadcast."""
        parts = np.broadcast_arrays(*(np.atleast_1d(each) for each in numbers))
        keys = zip(*(part.ravel().tolist() for part in parts), strict=True)
        return np.array([self._luck((purpose, *key)) for key in keys]).reshape(parts[0].shape)

    def uniform(self, purpose: str, *numbers: int) -> float:
        """The chosen value for one name."""
        return self._luck((purpose, *numbers))

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

    >>> streams = scripted(("transfer_loss", 0, 1, 2))  # client 0's third model to client 1
    """
    streams = ScriptedStreams(0)
    object.__setattr__(streams, "lucks", dict.fromkeys(lost, 0.0) | dict(lucks or {}))
    return streams


def scenario(
    latency_s: Sequence[Sequence[float]],
    step_s: Sequence[float],
    protocols: Mapping[str, Any],
    *,
    links: Mapping[str, Any] | None = None,
    merge_time: str = "0 s",
    packet_loss: float = 0.0,
    **sections: Any,
) -> Scenario:
    """A scenario of `len(step_s)` clients; `latency_s` has one row more if there is a server.

    `sections`: others of a scenario, as they are written in YAML. Raises ScenarioError.
    """
    return validated(
        TypeAdapter(Scenario),
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
                **(links or LINKS),
            },
            "evaluation": {"every": "10 s"},
            "protocols": protocols,
            **sections,
        },
        "tiny",
    )


def world(
    described: Scenario,
    *,
    samples: Sequence[int],
    steps: Sequence[int],
    streams: Streams | None = None,
) -> tuple[World, Running]:
    """The scenario's only protocol at time 0, with models of `MODEL_BYTES`.

    `samples`, `steps` [clients]: training samples, and optimiser steps in a local round.
    """
    (protocol,) = described.protocols
    facts = Facts(tuple(samples), tuple(steps), sum(samples), sum(steps), MODEL_BYTES // 4)
    made, running = build(described, protocol, 0, Counters(len(samples)), facts)
    if streams is not None:
        made.streams = made.network.streams = streams
        for node in made.nodes:
            node.streams = streams
        # A detector draws its phases when it is made.
        made.network.detector = described.failure_detection.detector(made.network)
    return made, running


def run(clock: Clock, until_s: float) -> None:
    """Step the clock up to and at `until_s`, with or without an asyncio loop around.

    Nothing is awaited here but the loop's next turn, which a notebook's loop need not give.
    """
    steps = clock.run_until(until_s)
    with contextlib.suppress(StopIteration):
        while True:
            steps.send(None)
