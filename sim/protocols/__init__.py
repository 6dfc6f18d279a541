"""One file per protocol, and the literal registry by which a scenario's `kind` finds it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from sim.protocols.braintorrent import BrainTorrent
from sim.protocols.fedavg import FedAvg
from sim.protocols.local import Alone
from sim.protocols.settings import BrainTorrentSettings
from sim.protocols.turns import Lockstep, RandomInitiator
from sim.world.world import World


class RunningProtocol(Protocol):
    """A protocol that has given each node of one world its behaviour."""

    def staleness(self) -> list[float]:
        """How far each client's current model lags behind, in rounds."""
        ...


SCHEDULES: dict[str, type[BrainTorrent]] = {
    "independent": BrainTorrent,
    "random_initiator": RandomInitiator,
    "lockstep": Lockstep,
}


def _braintorrent(settings: BrainTorrentSettings, world: World) -> RunningProtocol:
    return SCHEDULES[settings.schedule](settings, world)


# Called with (settings, world); sets `behave` of every node.
PROTOCOLS: dict[str, Callable[[Any, World], RunningProtocol]] = {
    "braintorrent": _braintorrent,
    "fedavg": FedAvg,
    "pooled": lambda settings, world: Alone(world),
    "local": lambda settings, world: Alone(world),
}
