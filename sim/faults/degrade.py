"""Links of some nodes are slower for a while, again and again, or at a time of day."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from sim.faults.fault import KIND, SEED, OfNodes
from sim.faults.shared.rhythm import EVERY, PAUSES, TIMES, Rhythm
from sim.record.errors import Refusal
from sim.record.settings import (
    DAY_S,
    Count,
    Duration,
    PositiveSeconds,
    Seconds,
    Seed,
    Selector,
    TimeOfDay,
)
from sim.world import Degraded, TopologySettings, Windows, World

_MOST_S = 60.0
"""A link that adds more to each message is as good as cut."""


def _bearable(latency_s: float) -> float:
    if latency_s > _MOST_S:
        raise Refusal("is too large", f"at most {_MOST_S:g} s; a partition cuts links")
    return latency_s


class Degrade(OfNodes):
    """Links of some nodes are slower for a while, again and again, or at a time of day."""

    together: ClassVar[str] = "what is left of bandwidth multiplies, and extra latencies add up"

    kind: Literal["degrade"] = Field(description=KIND)
    nodes: Selector = Field(description="the nodes whose uplinks and downlinks are slower")
    bandwidth: Annotated[float, Field(ge=1e-6, le=1)] = Field(
        default=1.0, description="share of their bandwidth that is left"
    )
    extra_latency: Annotated[Seconds, AfterValidator(_bearable)] = Field(
        default=0.0, description="added to the latency of each way out of or into one of them"
    )
    at: Seconds | None = Field(default=None, description="when it begins")
    at_local_time: TimeOfDay | None = Field(
        default=None,
        description="time of day, where a node stands, at which it begins every day; instead of at",
    )
    lasts: Duration = Field(description="how long it lasts each time; if drawn, each node's own")
    every: PositiveSeconds | None = Field(default=None, description=EVERY)
    pauses: Duration | None = Field(default=None, description=PAUSES)
    times: Count | None = Field(default=None, description=TIMES)
    seed: Seed | None = Field(default=None, description=SEED)

    @model_validator(mode="after")
    def _means_something(self) -> Degrade:
        if not self.model_fields_set & {"bandwidth", "extra_latency"}:
            raise Refusal("changes nothing", "bandwidth, extra_latency or both")
        if (self.at is None) == (self.at_local_time is None):
            raise Refusal("needs one beginning", "either at or at_local_time")
        if self.at_local_time is not None:
            for name in ("every", "pauses", "times"):
                if getattr(self, name) is not None:
                    raise Refusal("it comes every day", f"at, beside {name}", (name,))
            if self.lasts.longest_s >= DAY_S:
                raise Refusal(
                    "may last for a day, and it comes every day", "less than 24 h", ("lasts",)
                )
        self._rhythm().check("lasts")
        return self

    def _rhythm(self, local_time_s: float = 0.0) -> Rhythm:
        """When it acts on nodes where it is so late when the run begins."""
        if self.at_local_time is not None:
            # Yesterday's may not be over yet.
            at_s = (self.at_local_time - local_time_s) % DAY_S - DAY_S
            return Rhythm(at_s, self.lasts, every=DAY_S)
        assert self.at is not None
        return Rhythm(self.at, self.lasts, self.every, self.pauses, self.times)

    @property
    def window_s(self) -> tuple[float, float]:
        return (0.0, math.inf) if self.at is None else self._rhythm().window_s

    @property
    def delays_s(self) -> float:
        return self.extra_latency

    def events(self, duration_s: float, nodes: Sequence[str]) -> float:
        return len(self.strikes(nodes)) * self._rhythm().events(duration_s)

    def seems(self, topology: TopologySettings, duration_s: float) -> str | None:
        if self.bandwidth == 1 and self.extra_latency == 0:
            return "changes nothing: all bandwidth is left, and no latency is added"
        return None

    def start(self, name: str, world: World) -> None:
        """See Fault; what chance decides is each node's own."""
        is_drawn = self._rhythm().is_drawn
        struck: dict[tuple[str | float, ...], tuple[list[int], Windows]] = {}
        for node in world.select(self.nodes):
            luck = world.luck_key(self.kind, node, self.seed), node.name
            local_time_s = 0.0 if self.at_local_time is None else node.machine.local_time_s
            alike = (*luck, local_time_s) if is_drawn else (local_time_s,)
            if alike not in struck:
                stream = partial(world.streams.stream, self.kind, *luck)
                windows = self._rhythm(local_time_s).windows(world.duration_s, stream)
                struck[alike] = [], windows
            struck[alike][0].append(node.index)
        world.network.degrade(
            name,
            Degraded(len(world.nodes), self.bandwidth, self.extra_latency, tuple(struck.values())),
        )
