"""Disks fail: what a node has stored is lost, and it is down until its disk is replaced."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal

import numpy as np
from pydantic import Field, model_validator

from sim.faults.fault import KIND, SEED, OfNodes
from sim.record.errors import Refusal
from sim.record.settings import (
    Duration,
    PerSecond,
    PositiveSeconds,
    Seconds,
    Seed,
    Selector,
)
from sim.world import Behaviour, Node, Tie, World


class DiskFailure(OfNodes):
    """Disks fail: what a node has stored is lost, and it is down until its disk is replaced.

    It then begins from the initial model. A disk ages, and fails, whether its node is up or down.
    Of disks in service 1 to 2 % fail a year (about 4e-5 / d), and 2 to 4 % are replaced: Schroeder
    and Gibson, "Disk failures in the real world", FAST 2007.
    """

    together: ClassVar[str] = "what is lost already can't be lost again"
    leaves_others_alone: ClassVar[bool] = True

    kind: Literal["disk_failure"] = Field(description=KIND)
    nodes: Selector = Field(description="the nodes whose disks fail, each on its own")
    failure_rate: PerSecond | None = Field(
        default=None, description="failures per disk and unit of time, at any age; '0 / h' for none"
    )
    time_to_failure: Duration | None = Field(
        default=None, description="how long a new disk works, instead of failure_rate"
    )
    at: Seconds | None = Field(
        default=None, description="when all of them fail, once, instead of failure_rate"
    )
    replaced_after: PositiveSeconds = Field(
        description="how long a node is down until it has a new disk"
    )
    seed: Seed | None = Field(default=None, description=SEED)

    @model_validator(mode="after")
    def _one_law(self) -> DiskFailure:
        laws = (self.failure_rate, self.time_to_failure, self.at)
        if sum(law is not None for law in laws) != 1:
            raise Refusal("needs one law", "either failure_rate, time_to_failure or at")
        if self.time_to_failure is not None and self.time_to_failure.longest_s == 0:
            raise Refusal("takes no time", "more than zero", ("time_to_failure",))
        return self

    @property
    def crash_s(self) -> float | None:
        return self.at

    @property
    def window_s(self) -> tuple[float, float]:
        return (0.0, math.inf) if self.at is None else (self.at, self.at + self.replaced_after)

    def events(self, duration_s: float, nodes: Sequence[str]) -> float:
        if self.at is not None or self.failure_rate == 0:
            return 0.0
        return 2.0 * len(self.strikes(nodes)) * duration_s / (self._mean_s + self.replaced_after)

    def start(self, name: str, world: World) -> None:
        """See Fault; a node draws each of its disks' lives from a stream of its own."""

        def live(node: Node, key: str) -> Behaviour:
            draws = world.streams.stream("disk_failure", key, node.name)
            for life_s in self._lives_s(draws):
                yield world.clock.after(life_s, Tie.FAULT)
                node.crash(name, loses_storage=True)
                yield world.clock.after(self.replaced_after, Tie.FAULT)
                node.recover(name)

        for node in world.select(self.nodes):
            key = world.luck_key("disk_failure", node, self.seed)
            world.clock.process(live(node, key))

    @property
    def _mean_s(self) -> float:
        """How long a disk works on average."""
        if self.time_to_failure is not None:
            return self.time_to_failure.mean_s
        assert self.failure_rate
        return 1.0 / self.failure_rate

    def _lives_s(self, draws: np.random.Generator) -> Iterator[float]:
        """How long each disk of a node works, the first, the second, and so on, in seconds.

        A unit draw that is scaled: where disks fail sooner, each k-th failure comes no later.
        """
        if self.at is not None:
            yield self.at
        while self.time_to_failure is not None:
            yield float(self.time_to_failure.draw(draws, 1)[0])
        while self.failure_rate:
            yield float(draws.standard_exponential()) / self.failure_rate
