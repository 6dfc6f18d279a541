"""Clients that are not there from the beginning, and join at a time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from sim.faults.fault import KIND, SEED, OfNodes, check_clients, drawn_s
from sim.record.settings import Duration, Seed, Selector
from sim.world import Behaviour, Node, Tie, World


class Join(OfNodes):
    """Clients that are not there from the beginning, and join at a time."""

    together: ClassVar[str] = "it joins at the later one"
    leaves_others_alone: ClassVar[bool] = True
    starts_first: ClassVar[bool] = True

    kind: Literal["join"] = Field(description=KIND)
    nodes: Selector = Field(description="the clients that join")
    at: Duration = Field(description="when they join: a time for all, or drawn for each")
    starts_from: Literal["peers", "initial"] = Field(
        default="peers",
        description="what they learn from first where no server sends it: others' models, or the "
        "initial one, as those who were there from the beginning",
    )
    seed: Seed | None = Field(default=None, description=SEED)

    @model_validator(mode="after")
    def _members_only(self) -> Join:
        allowed = "clients, or a list of clients; a server can crash at 0 s and recover"
        check_clients(self.nodes, "a server is no member that joins", allowed)
        return self

    @property
    def present_s(self) -> tuple[float, float]:
        return self.at.shortest_s, math.inf

    @property
    def window_s(self) -> tuple[float, float]:
        return 0.0, self.at.longest_s

    def unused(self, *, serverless: bool) -> Mapping[str, str]:
        return {} if serverless else {"starts_from": "who joins trains what a server sends it"}

    def start(self, name: str, world: World) -> None:
        """See Fault; a client that another fault holds down at its time joins when it comes up."""

        def come(node: Node, at_s: float) -> Behaviour:
            yield world.clock.at(at_s, Tie.FAULT)
            node.recover(name)

        for node in world.select(self.nodes):
            at_s = drawn_s("join", self.at, node, self.seed, world)
            node.be_absent(name, newcomer=self.starts_from == "peers")
            if at_s < math.inf:
                world.clock.process(come(node, at_s))
