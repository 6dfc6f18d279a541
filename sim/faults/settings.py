"""What can be done to nodes and links: the settings of every kind of fault."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from sim.record.settings.base import Settings, mistake
from sim.record.settings.nodes import NodeName, Selector
from sim.record.settings.quantities import PerSecond, PositiveSeconds, Seconds

_KIND = "the fault's kind"
_STORAGE = "whether a crash also loses what the node has stored"


class CrashSettings(Settings):
    """One node crashes at a given time, and recovers later or never."""

    kind: Literal["crash"] = Field(description=_KIND)
    node: NodeName = Field(description="the node that crashes")
    at: Seconds = Field(description="when it crashes")
    recovers_after: PositiveSeconds | None = Field(
        default=None, description="how long it is down; never recovers if left out"
    )
    loses_storage: bool = Field(default=False, description=_STORAGE)


class ChurnSettings(Settings):
    """Nodes fail and are repaired again and again, both after exponential times."""

    kind: Literal["churn"] = Field(description=_KIND)
    nodes: Selector = Field(description="the nodes that fail, each on its own")
    failure_rate: PerSecond | None = Field(
        default=None, description="failures per node and unit of time up; '0 / h' for none"
    )
    mean_time_to_failure: PositiveSeconds | None = Field(
        default=None, description="mean time up, instead of failure_rate"
    )
    mean_time_to_repair: PositiveSeconds = Field(description="mean time down")
    loses_storage: bool = Field(default=False, description=_STORAGE)

    @model_validator(mode="after")
    def _one_rate(self) -> ChurnSettings:
        if (self.failure_rate is None) == (self.mean_time_to_failure is None):
            raise mistake("needs one rate", "either failure_rate or mean_time_to_failure")
        return self

    @property
    def rate_per_s(self) -> float:
        """Failures per second of a node that is up, however it was written."""
        if self.failure_rate is not None:
            return self.failure_rate
        assert self.mean_time_to_failure is not None
        return 1.0 / self.mean_time_to_failure


class ClientDropoutSettings(Settings):
    """A client's local round fails with a given probability, at a uniform point in it."""

    kind: Literal["client_dropout"] = Field(description=_KIND)
    probability: Annotated[float, Field(ge=0, le=1)] = Field(
        description="chance that one attempt at a local round fails"
    )
    nodes: Selector = Field(default="clients", description="the clients concerned")

    @model_validator(mode="after")
    def _clients_only(self) -> ClientDropoutSettings:
        if self.nodes in ("server", "all") or "server" in self.nodes:
            raise mistake("a server has no local rounds", "clients, or a list of clients", "nodes")
        return self


class SlowdownSettings(Settings):
    """Nodes compute slower by a factor for a while."""

    kind: Literal["slowdown"] = Field(description=_KIND)
    nodes: Selector = Field(description="the nodes that slow down")
    factor: Annotated[float, Field(ge=1)] = Field(description="how many times longer a step takes")
    at: Seconds = Field(description="when it begins")
    lasts: PositiveSeconds = Field(description="how long it lasts")


class NetworkPartitionSettings(Settings):
    """The network falls apart into groups that cannot reach each other, and heals."""

    kind: Literal["partition"] = Field(description=_KIND)
    groups: Annotated[
        tuple[Annotated[tuple[NodeName, ...], Field(strict=False, min_length=1)], ...],
        Field(strict=False, min_length=1),
    ] = Field(description="lists of nodes; nodes named nowhere form one more group")
    at: Seconds = Field(description="when it begins")
    heals_after: PositiveSeconds = Field(description="how long it lasts")

    @model_validator(mode="after")
    def _disjoint(self) -> NetworkPartitionSettings:
        seen: set[str] = set()
        for row, group in enumerate(self.groups):
            for column, name in enumerate(group):
                if name in seen:
                    raise mistake(
                        f"{name} is named twice", "each node in one group", "groups", row, column
                    )
                seen.add(name)
        return self


FaultSettings = Annotated[
    CrashSettings
    | ChurnSettings
    | ClientDropoutSettings
    | SlowdownSettings
    | NetworkPartitionSettings,
    Field(discriminator="kind"),
]

FAULTS: dict[str, type[Settings]] = {
    "crash": CrashSettings,
    "churn": ChurnSettings,
    "client_dropout": ClientDropoutSettings,
    "slowdown": SlowdownSettings,
    "partition": NetworkPartitionSettings,
}
