"""Nodes are there when a file says that they are: a measured trace, replayed."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from sim.faults.fault import KIND, SEED, Fault, listed
from sim.faults.shared.spans import Floats, Spans, place_of, read, sha256_of
from sim.record.errors import Path, Refusal, did_you_mean
from sim.record.settings import AbsolutePath, Seconds, Seed, Selector, Sha256, selects
from sim.record.words import time_text
from sim.world import Behaviour, Node, Tie, TopologySettings, World

_UNITS_S = {"s": 1.0, "min": 60.0, "h": 3600.0}


class Availability(Fault):
    """Nodes are up and down as a CSV file lists it: a trace of who was there, replayed.

    Each row is a span of time; those of a node may touch, and must not overlap. Whom the file
    doesn't name is up all the time. Who is down when the run begins hasn't done anything yet.
    """

    paths: ClassVar[tuple[str, ...]] = ("file",)

    kind: Literal["availability"] = Field(description=KIND)
    file: AbsolutePath = Field(
        description="a CSV file with the columns node, from and until; it may have others, too"
    )
    lists: Literal["up", "down"] = Field(
        description="what a node is in the spans that it lists; between them it is the contrary"
    )
    unit: Literal["s", "min", "h"] = Field(description="the unit of its numbers")
    offset: Seconds = Field(default=0.0, description="time of the file at which the run begins")
    assign: Literal["by_name", "in_order", "drawn"] = Field(
        default="by_name",
        description="whether its names are nodes here; or its lives are dealt out to nodes, in the "
        "order of the file, or drawn, no life twice",
    )
    nodes: Selector | None = Field(
        default=None, description="to whom they are dealt out; clients if left out"
    )
    seed: Seed | None = Field(default=None, description=SEED)
    file_sha256: Sha256 | None = Field(
        default=None,
        description="names the file by its content, and another is refused; a run fills it in",
    )

    @model_validator(mode="after")
    def _dealt_or_named(self) -> Availability:
        if self.assign == "by_name" and self.nodes is not None:
            allowed = "no nodes; or assign: in_order, or drawn"
            raise Refusal("the file says by name whom it means", allowed, ("nodes",))
        return self

    @property
    def window_s(self) -> tuple[float, float]:
        begins_s, ends_s = self._outages.rows.T
        return (float(begins_s.min()), float(ends_s.max())) if len(ends_s) else (0.0, math.inf)

    def strikes(self, nodes: Sequence[str]) -> Sequence[str]:
        if not len(self._outages.rows):
            return ()
        if self.assign == "by_name":
            names = set(self._listed.names)
            return [node for node in nodes if node in names]
        return [node for node in nodes if selects(self._dealt_to, node)]

    def named(self) -> Iterator[tuple[Path, str]]:
        return listed("nodes", self._dealt_to)

    def seems(self, topology: TopologySettings, duration_s: float) -> str | None:
        ends_s = max(0.0, float(self._listed.rows[:, 1].max()) - self.offset)
        if self.lists == "down" or ends_s >= duration_s:
            return None
        return f"lists nobody who is up after {time_text(ends_s)}: its nodes are down from then on"

    def pinned(self) -> Self:
        """See Fault."""
        return self.model_copy(update={"file_sha256": self._sha256})

    def check_files(self, nodes: Sequence[str]) -> None:
        """See Fault; the file names nodes that there are, or has a life for each."""
        names = self._listed.names
        if self.assign == "by_name":
            known = set(nodes)
            for name in (one for one in names if one not in known):
                what = f"{place_of(self.file, name)}: {name!r} is no node here"
                allowed = f"{nodes[0]} to {nodes[-1]}; or assign: in_order, or drawn"
                raise Refusal(what + did_you_mean(name, nodes), allowed, ("file",))
            return
        dealt_to = sum(selects(self._dealt_to, node) for node in nodes)
        if len(names) < dealt_to:
            what = f"{self.file}: has {len(names)} nodes to deal out to {dealt_to}"
            raise Refusal(what, f"at least {dealt_to}, or nodes that are fewer", ("file",))

    def start(self, name: str, world: World) -> None:
        """See Fault; what comes after the run is never scheduled."""

        def live(node: Node, outages: Floats) -> Behaviour:
            for down_s, up_s in outages:
                if down_s > 0:
                    yield world.clock.at(float(down_s), Tie.FAULT)
                    node.crash(name)
                if up_s == math.inf:
                    return
                yield world.clock.at(float(up_s), Tie.FAULT)
                node.recover(name)

        found = self._outages
        for node, life in self._dealt(world):
            outages = found.of(life)
            if len(outages) and outages[0, 0] == 0:
                node.crash(name)  # A process would begin only after the node has.
            world.clock.process(live(node, outages))

    # -- lives -----------------------------------------------------------------------------------

    @property
    def _sha256(self) -> str:
        return self.file_sha256 or sha256_of(self.file)

    @property
    def _listed(self) -> Spans:
        return read(self.file, self._sha256, _UNITS_S[self.unit])

    @property
    def _outages(self) -> Spans:
        """From when to when the file's nodes are down, in seconds of the run."""
        found = self._listed if self.lists == "down" else self._listed.contrary()
        return found.begun_at(self.offset)

    @property
    def _dealt_to(self) -> str | tuple[str, ...]:
        return self.nodes or "clients"

    def _dealt(self, world: World) -> Iterator[tuple[Node, int]]:
        """The nodes that have a life in the file, each with its number there."""
        names = self._listed.names
        if self.assign == "by_name":
            numbers = {name: life for life, name in enumerate(names)}
            yield from ((node, numbers[node.name]) for node in world.nodes if node.name in numbers)
            return
        left = list(range(len(names)))
        for node in world.select(self._dealt_to):
            yield node, left.pop(self._drawn(world, node, len(left)))

    def _drawn(self, world: World, node: Node, left: int) -> int:
        """Which of the lives that are left falls to a node: a node more changes none before it."""
        if self.assign == "in_order":
            return 0
        key = world.luck_key("availability", node, self.seed)
        return int(world.streams.stream("availability", key, node.name).integers(left))
