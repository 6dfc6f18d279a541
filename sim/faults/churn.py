"""Nodes fail and are repaired again and again, both after exponential times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import Field, model_validator

from sim.faults.fault import KIND, LOSES_STORAGE, SEED, Fault, listed
from sim.record.errors import Path, Refusal
from sim.record.settings import PerSecond, PositiveSeconds, Seed, Selector, selects
from sim.world import Behaviour, Node, Tie, World


class Churn(Fault):
    """Nodes fail and are repaired again and again, both after exponential times."""

    kind: Literal["churn"] = Field(description=KIND)
    nodes: Selector = Field(description="the nodes that fail, each on its own")
    failure_rate: PerSecond | None = Field(
        default=None, description="failures per node and unit of time up; '0 / h' for none"
    )
    mean_time_to_failure: PositiveSeconds | None = Field(
        default=None, description="mean time up, instead of failure_rate"
    )
    mean_time_to_repair: PositiveSeconds = Field(description="mean time down")
    loses_storage: bool = Field(default=False, description=LOSES_STORAGE)
    seed: Seed | None = Field(default=None, description=SEED)

    @model_validator(mode="after")
    def _one_rate(self) -> Churn:
        if (self.failure_rate is None) == (self.mean_time_to_failure is None):
            raise Refusal("needs one rate", "either failure_rate or mean_time_to_failure")
        return self

    @property
    def rate_per_s(self) -> float:
        """Failures per second of a node that is up, however it was written."""
        if self.failure_rate is not None:
            return self.failure_rate
        assert self.mean_time_to_failure is not None
        return 1.0 / self.mean_time_to_failure

    def strikes(self, nodes: Sequence[str]) -> Sequence[str]:
        return [node for node in nodes if selects(self.nodes, node)]

    def named(self) -> Iterator[tuple[Path, str]]:
        return listed("nodes", self.nodes)

    def events(self, duration_s: float, nodes: Sequence[str]) -> float:
        if self.rate_per_s == 0:
            return 0.0
        cycle_s = 1.0 / self.rate_per_s + self.mean_time_to_repair
        return 2.0 * len(self.strikes(nodes)) * duration_s / cycle_s

    def start(self, name: str, world: World) -> None:
        """See Fault; each node fails on its own.

        The k-th time up and time down are unit exponentials of the node's stream, scaled by the
        means: a higher failure rate brings each k-th failure no later.
        """
        rate = self.rate_per_s

        def live(node: Node, key: str) -> Behaviour:
            draws = world.streams.stream("churn", key, node.name)
            while True:
                up, down = draws.standard_exponential(2)
                yield world.clock.after(float(up) / rate, Tie.FAULT)
                node.crash(name, loses_storage=self.loses_storage)
                yield world.clock.after(float(down) * self.mean_time_to_repair, Tie.FAULT)
                node.recover(name)

        for node in world.select(self.nodes):
            key = world.luck_key("churn", node, self.seed)
            if rate > 0:
                world.clock.process(live(node, key))
