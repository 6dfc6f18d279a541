"""A node crashes at a given time, and recovers later or never."""

import math
from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal

from pydantic import Field

from sim.faults.fault import KIND, LOSES_STORAGE, Fault
from sim.record.errors import Path
from sim.record.settings import NodeName, PositiveSeconds, Seconds
from sim.world import Behaviour, Node, Tie, World


class Crash(Fault):
    """One node crashes at a given time, and recovers later or never."""

    together: ClassVar[str] = "while both hold it down, one of them changes nothing"

    kind: Literal["crash"] = Field(description=KIND)
    node: NodeName = Field(description="the node that crashes")
    at: Seconds = Field(description="when it crashes")
    recovers_after: PositiveSeconds | None = Field(
        default=None, description="how long it is down; never recovers if left out"
    )
    loses_storage: bool = Field(default=False, description=LOSES_STORAGE)

    @property
    def crash_s(self) -> float:
        return self.at

    @property
    def window_s(self) -> tuple[float, float]:
        return self.at, self.at + (self.recovers_after or math.inf)

    def strikes(self, nodes: Sequence[str]) -> Sequence[str]:
        return [node for node in nodes if node == self.node]

    def named(self) -> Iterator[tuple[Path, str]]:
        yield ("node",), self.node

    def start(self, name: str, world: World) -> None:
        """See Fault; nothing happens in a world without that node."""

        def strike(node: Node) -> Behaviour:
            yield world.clock.at(self.at, Tie.FAULT)
            node.crash(name, loses_storage=self.loses_storage)
            if self.recovers_after is not None:
                yield world.clock.after(self.recovers_after, Tie.FAULT)
                node.recover(name)

        for node in world.select((self.node,)):
            world.clock.process(strike(node))
