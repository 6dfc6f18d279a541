"""The best-connected clients of the scenario's topology crash, one after the other."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from sim.faults.fault import KIND, Fault
from sim.record.errors import Refusal
from sim.record.rows import client_name
from sim.record.settings import Count, PositiveSeconds, Seconds, selects
from sim.world import Behaviour, Complete, Node, Tie, Topology, TopologySettings, World

MOST_BETWEEN = 2_000
"""Among more clients it would take longer than a minute to find who lies between the others."""


class Targeted(Fault):
    """The best-connected clients of the scenario's topology crash, one after the other.

    Albert, Jeong, Barabási, "Error and attack tolerance of complex networks", Nature 406, 2000.
    """

    uses_topology: ClassVar[bool] = True
    leaves_others_alone: ClassVar[bool] = True

    kind: Literal["targeted"] = Field(description=KIND)
    number: Count = Field(description="how many clients crash")
    by: Literal["degree", "betweenness"] = Field(
        default="degree",
        description="who comes first: most neighbours, or between most others on shortest paths",
    )
    at: Seconds = Field(description="when the first one crashes")
    every: Seconds = Field(default=0.0, description="time between two crashes; at once if left out")
    recovers_after: PositiveSeconds | None = Field(
        default=None, description="how long each is down; never recovers if left out"
    )

    @property
    def window_s(self) -> tuple[float, float]:
        last_s = self.at + (self.number - 1) * self.every
        return self.at, last_s + (self.recovers_after or math.inf)

    def strikes(self, nodes: Sequence[str]) -> Sequence[str]:
        # Under another seed these are others.
        return [node for node in nodes if selects("clients", node)]

    def check(self, nodes: Sequence[str]) -> None:
        clients = len(self.strikes(nodes))
        if self.number > clients:
            what = f"{self.number} clients of {clients}"
            raise Refusal(what, f"at most {clients}", ("number",))
        if self.by == "betweenness" and clients > MOST_BETWEEN:
            what = f"takes too long to find among {clients} clients"
            raise Refusal(what, f"degree, or at most {MOST_BETWEEN:,} clients", ("by",))

    def check_topology(self, topology: TopologySettings) -> None:
        if topology == Complete():
            what = "in a complete topology nobody is better connected than others"
            raise Refusal(what, "a scenario with another topology")

    def seems(self, topology: TopologySettings, duration_s: float) -> str | None:
        if self.by == "degree" and topology.is_regular:
            return (
                f"strikes by number: in a {topology.kind} topology all have equally many neighbours"
            )
        return None

    def start(self, name: str, world: World) -> None:
        """See Fault; the same clients under every protocol, whatever topology it has itself."""

        def strike(node: Node, at_s: float) -> Behaviour:
            yield world.clock.at(at_s, Tie.FAULT)
            node.crash(name)
            if self.recovers_after is not None:
                yield world.clock.after(self.recovers_after, Tie.FAULT)
                node.recover(name)

        for order, index in enumerate(self._first(world.topology)):
            for node in world.select(client_name(index)):
                world.clock.process(strike(node, self.at + order * self.every))

    def _first(self, topology: Topology) -> list[int]:
        """The best-connected ones, best first; of equal ones that with the lower index."""
        scores = topology.degrees if self.by == "degree" else _betweenness(topology)
        best: list[int] = np.argsort(-scores, kind="stable")[: self.number].tolist()
        return best


def _betweenness(topology: Topology) -> npt.NDArray[np.float64]:
    """The share of the others' shortest paths that lead through each client [clients].

    Brandes, "A faster algorithm for betweenness centrality", Journal of Mathematical Sociology 25,
    2001. Rounded, since who is alike may differ in the last digit.
    """
    import networkx

    clients = range(len(topology.degrees))
    graph = networkx.Graph({index: topology.neighbours(index).tolist() for index in clients})
    shares = networkx.betweenness_centrality(graph)
    return np.array([shares[index] for index in clients]).round(12)
