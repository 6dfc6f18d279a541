"""A fault: all clients lose power at once, and have it back at once."""

from typing import Literal

from pydantic import Field

from sim.faults import Fault
from sim.record.settings import PositiveSeconds, Seconds
from sim.world import Behaviour, Tie, World


class Blackout(Fault):
    """All clients are down for a while."""

    kind: Literal["blackout"] = Field(description="the fault's kind")
    at: Seconds = Field(description="when the power fails")
    lasts: PositiveSeconds = Field(description="how long it is away")

    def start(self, name: str, world: World) -> None:
        def dark() -> Behaviour:
            yield world.clock.at(self.at, Tie.FAULT)
            for node in world.select("clients"):
                node.crash(name)
            yield world.clock.after(self.lasts, Tie.FAULT)
            for node in world.select("clients"):
                node.recover(name)

        world.clock.process(dark())
