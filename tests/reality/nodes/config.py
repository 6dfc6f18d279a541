"""What a node is told before it starts: a JSON file, written by whoever sets the nodes up.

All luck is among it, so that a node draws nothing: two runs with one configuration differ by the
network's timing alone. Times are in seconds of the world, which begin at `start_at`.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Config:
    """One node's configuration."""

    name: str
    """Its own: client_0 and so on, server, or standby_1 and so on."""
    protocol: str
    """braintorrent, fedavg, gossip, d_psgd or swarm."""
    settings: dict[str, Any]
    """The protocol's, named as in a scenario; each of them, in s, B and plain numbers, or null."""
    addresses: dict[str, str]
    """Of all nodes, itself included, by name: the clients in their order, then the servers."""
    port: int
    """Where each node listens, for TCP and UDP alike."""
    model_bytes: int
    train_s: list[float]
    """How long its attempts at a local round take; the last of them holds for all that follow."""
    interval_s: float
    """Between two of its heartbeats."""
    phase_s: float
    """Its heartbeats go out at this time + k intervals, and when it starts."""
    timeout_s: float
    """After so long a silence a node is suspected."""
    start_at: float
    """Where the world's time is 0, as `time.monotonic` counts, which all processes share."""
    until_s: float
    """When the node ends by itself."""
    storage: str
    """Folder of what survives a crash; the next life of the node gets the same."""
    log: str
    """File that the log is appended to; see `log.py`."""
    begins_s: float = 0.0
    """When this life of the node begins: 0, or the time of its recovery. The process may start
    before, and then waits, so that the interpreter's start costs the world nothing."""
    neighbours: list[str] = field(default_factory=list)
    """Whom it may talk to, of protocols with a topology; empty: all other clients."""
    merge_s: float = 0.0
    """To average takes this for each model, its own included."""
    aggregation_s: float = 0.0
    """To average takes a server this for each update."""
    stall_s: float = 30.0
    """A transfer of which nothing moves for so long is given up, at both ends."""
    luck: dict[str, Any] = field(default_factory=dict)
    """What the protocol draws; each protocol's file says by which names.

    gossip: `push_phase_s`, a number; `push_to`: by number of its tick, whom it prefers, in order.
    swarm: `aggregators`: by round, all clients in the order in which they may aggregate;
    `ask_of`: by number of attempts so far, whom a node that is back prefers to ask, in order.
    """

    @property
    def is_there(self) -> bool:
        """Whether the node's process has started, in this life or an earlier one."""
        return Path(self.storage).exists()

    def save(self, path: Path) -> None:
        """Write it where a node reads it: `python -m tests.reality.nodes PATH`."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> "Config":
        return cls(**json.loads(path.read_text(encoding="utf-8")))
