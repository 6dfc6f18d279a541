"""Nodes compute slower by a factor for a while."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from sim.faults.fault import KIND, OfNodes
from sim.record.settings import PositiveSeconds, Seconds, Selector
from sim.world import Behaviour, Tie, World


class Slowdown(OfNodes):
    """Nodes compute slower by a factor for a while."""

    together: ClassVar[str] = "their factors multiply"

    kind: Literal["slowdown"] = Field(description=KIND)
    nodes: Selector = Field(description="the nodes that slow down")
    factor: Annotated[float, Field(ge=1, le=1e6)] = Field(
        description="how many times longer a step takes"
    )
    at: Seconds = Field(description="when it begins")
    lasts: PositiveSeconds = Field(description="how long it lasts")

    @property
    def window_s(self) -> tuple[float, float]:
        return self.at, self.at + self.lasts

    def start(self, name: str, world: World) -> None:
        """See Fault; what the nodes compute takes longer between `at` and `at + lasts`."""
        nodes = world.select(self.nodes)

        def drag() -> Behaviour:
            yield world.clock.at(self.at, Tie.FAULT)
            set_all(self.factor)
            yield world.clock.after(self.lasts, Tie.FAULT)
            set_all(1.0)

        def set_all(factor: float) -> None:
            for node in nodes:
                node.slow_down(name, factor)

        world.clock.process(drag())
