"""Clients leave for good: at a time, or when they have finished so many local rounds."""

from __future__ import annotations

import math
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from sim.faults.fault import KIND, SEED, OfNodes, check_clients, drawn_s
from sim.record.errors import Refusal
from sim.record.settings import Count, Duration, Seed, Selector
from sim.world import Behaviour, Node, Tie, World


class Leave(OfNodes):
    """Clients leave for good: at a time, or when they have finished so many local rounds."""

    together: ClassVar[str] = "who has left can't leave again"
    leaves_others_alone: ClassVar[bool] = True

    kind: Literal["leave"] = Field(description=KIND)
    nodes: Selector = Field(description="the clients that leave")
    at: Duration | None = Field(
        default=None, description="when they leave: a time for all, or drawn for each"
    )
    after_rounds: Count | None = Field(
        default=None, description="each after so many finished local rounds, instead of at"
    )
    announced: bool = Field(
        default=True,
        description="whether they say so; others find out by themselves if they just fall silent",
    )
    seed: Seed | None = Field(default=None, description=SEED)

    @model_validator(mode="after")
    def _one_occasion(self) -> Leave:
        if (self.at is None) == (self.after_rounds is None):
            raise Refusal("needs one occasion", "either at or after_rounds")
        allowed = "clients, or a list of clients; a server can crash and never recover"
        check_clients(self.nodes, "a server is no member that leaves", allowed)
        return self

    @property
    def is_scheduled(self) -> bool:
        return self.at is not None

    @property
    def present_s(self) -> tuple[float, float]:
        return 0.0, math.inf if self.at is None else self.at.longest_s

    @property
    def window_s(self) -> tuple[float, float]:
        return 0.0 if self.at is None else self.at.shortest_s, math.inf

    def start(self, name: str, world: World) -> None:
        """See Fault; it comes where faults do at an instant, after all that is done and arrives.

        So the last round's model is stored, and a message that the client then begins to send goes
        no further.
        """

        def go(node: Node, at_s: float) -> Behaviour:
            if self.after_rounds is not None:
                yield node.finished(self.after_rounds)
            yield world.clock.at(max(at_s, world.clock.now), Tie.FAULT)
            node.leave(name, announced=self.announced)

        for node in world.select(self.nodes):
            at_s = 0.0 if self.at is None else drawn_s("leave", self.at, node, self.seed, world)
            if at_s < math.inf:
                world.clock.process(go(node, at_s))
