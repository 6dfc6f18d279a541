"""Nodes crash at a given time, and recover later or never."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal

from pydantic import Field, model_validator

from sim.faults.fault import KIND, LOSES_STORAGE, Fault, listed
from sim.record.errors import Path, Refusal
from sim.record.settings import NodeName, PositiveSeconds, Seconds, Selector, selects
from sim.world import Behaviour, Node, Tie, World


class Crash(Fault):
    """One node, or several at one instant, crash at a given time, and recover later or never."""

    together: ClassVar[str] = "while both hold a node down, one of them changes nothing"
    leaves_others_alone: ClassVar[bool] = True

    kind: Literal["crash"] = Field(description=KIND)
    node: NodeName | None = Field(default=None, description="the node that crashes")
    nodes: Selector | None = Field(
        default=None, description="the nodes that crash at one instant, instead of node"
    )
    at: Seconds = Field(description="when it crashes")
    recovers_after: PositiveSeconds | None = Field(
        default=None, description="how long it is down; never recovers if left out"
    )
    loses_storage: bool = Field(default=False, description=LOSES_STORAGE)
    of: Literal["host", "process"] = Field(
        default="host",
        description="what ends: a host falls silent; where a process ends alone, its host resets "
        "its connections, so that who waits for it knows one way later",
    )

    @model_validator(mode="after")
    def _one_way_to_name_them(self) -> Crash:
        if (self.node is None) == (self.nodes is None):
            raise Refusal("needs one way to say who crashes", "either node or nodes")
        return self

    @property
    def crash_s(self) -> float:
        return self.at

    @property
    def window_s(self) -> tuple[float, float]:
        return self.at, self.at + (self.recovers_after or math.inf)

    def strikes(self, nodes: Sequence[str]) -> Sequence[str]:
        return [node for node in nodes if selects(self._chosen, node)]

    def named(self) -> Iterator[tuple[Path, str]]:
        return iter([(("node",), self.node)]) if self.node else listed("nodes", self._chosen)

    def start(self, name: str, world: World) -> None:
        """See Fault; nothing happens in a world without these nodes."""

        def strike(nodes: Sequence[Node]) -> Behaviour:
            yield world.clock.at(self.at, Tie.FAULT)
            for node in nodes:
                node.crash(name, loses_storage=self.loses_storage, resets=self.of == "process")
            if self.recovers_after is not None:
                yield world.clock.after(self.recovers_after, Tie.FAULT)
                for node in nodes:
                    node.recover(name)

        if nodes := world.select(self._chosen):
            world.clock.process(strike(nodes))

    @property
    def _chosen(self) -> str | tuple[str, ...]:
        chosen = self.nodes or self.node
        assert chosen is not None
        return chosen
