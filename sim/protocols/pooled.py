"""One model on all clients' data, on one machine as fast as all of theirs together."""

from typing import ClassVar, Literal

from pydantic import Field

from sim.protocols.local import Alone
from sim.protocols.protocol import KIND, Protocol, Running
from sim.record.rows import POOLED
from sim.world import World


class Pooled(Protocol):
    """One model on all clients' data, free of faults: a reference."""

    is_reference: ClassVar[bool] = True
    uses_network: ClassVar[bool] = False

    kind: Literal["pooled"] = Field(default="pooled", description=KIND)

    def runs_on(self, clients: tuple[str, ...]) -> tuple[str, ...]:
        """One virtual machine, which no fault knows."""
        return (POOLED,)

    def run(self, world: World) -> Running:
        return Alone(world)
