"""The world that protocols meet: clients, links, the server, and what is observed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Discriminator, Field, Tag, WithJsonSchema, model_validator

from sim.record.errors import Path, Refusal, check_least
from sim.record.rows import AGGREGATE, RECEIVED, client_name
from sim.record.settings import (
    LONGEST_S,
    BytesPerSecond,
    Count,
    Distribution,
    Duration,
    GroupName,
    Nodes,
    OneOf,
    PositiveSeconds,
    Seconds,
    Settings,
    TimeOfDay,
)
from sim.scenario.groups import (
    GroupSettings,
    Jitter,
    check_groups,
    members,
    owners,
)
from sim.world import FLUID, TRANSPORTS, Transport

Floats = NDArray[np.float64]
Stream = Callable[..., np.random.Generator]
"""A fresh generator for a purpose and a key; see `sim.world.random_streams`."""

Stage = Literal["received", "trained"]

_BLOCK = 256  # Latencies are mirrored in squares of so many nodes.
_UNITS_S = {"s": 1.0, "ms": 1e-3, "us": 1e-6}


def _one_or_list(data: Any) -> str:
    return "list" if isinstance(data, (list, tuple)) else "one"


def _one_or_table(data: Any) -> str:
    table = isinstance(data, LatencyMatrix) or (isinstance(data, dict) and "matrix" in data)
    return "table" if table else "one"


class LatencyMatrix(Settings):
    """The latency of each pair, measured: row sends to column, clients first, then the server."""

    matrix: Annotated[
        tuple[
            Annotated[tuple[Annotated[float, Field(ge=0, le=LONGEST_S)], ...], Field(strict=False)],
            ...,
        ],
        Field(strict=False, min_length=1),
        WithJsonSchema({"type": ["string", "array"], "items": {"type": "array"}}),
    ] = Field(description="a CSV file without header, beside the scenario; or rows of numbers")
    unit: Literal["s", "ms", "us"] = Field(description="the unit of its numbers")

    @model_validator(mode="after")
    def _square(self) -> LatencyMatrix:
        for index, row in enumerate(self.matrix):
            if len(row) != len(self.matrix):
                what = f"row {index + 1} has {len(row)} numbers"
                raise Refusal(what, f"{len(self.matrix)}, as many as rows", ("matrix", index))
        return self

    def seconds(self) -> Floats:
        """The latencies in seconds, shape (nodes, nodes), a new array."""
        return np.array(self.matrix, dtype=np.float64) * _UNITS_S[self.unit]


PerClientTime = Annotated[
    Annotated[Duration, Tag("one")]
    | Annotated[tuple[PositiveSeconds, ...], Field(strict=False), Tag("list")],
    Discriminator(_one_or_list),
]
Latency = Annotated[
    Annotated[Duration, Tag("one")] | Annotated[LatencyMatrix, Tag("table")],
    Discriminator(_one_or_table),
]
Bandwidth = Annotated[
    Annotated[BytesPerSecond, Tag("one")]
    | Annotated[tuple[BytesPerSecond, ...], Field(strict=False), Tag("list")],
    Discriminator(_one_or_list),
]


def check_size(latency: Latency, clients: int, servers: int) -> None:
    """Raise Refusal if the latencies are a matrix of another number of nodes."""
    if not isinstance(latency, LatencyMatrix):
        return
    sizes = (clients + servers,) if servers else (clients, clients + 1)
    if len(latency.matrix) not in sizes:
        allowed = " or ".join(f"{size} x {size}" for size in sizes)
        what = f"is {len(latency.matrix)} x {len(latency.matrix)}"
        allowed += ", the server last" if servers == 1 else ", the servers last" if servers else ""
        raise Refusal(what, allowed, ("network", "latency", "matrix"))


class ClientsSettings(Settings):
    """Who learns, and how fast each of them computes."""

    count: Annotated[int, Field(ge=1, le=100_000)] = Field(description="number of clients")
    step_time: PerClientTime = Field(
        description="time of one optimiser step, drawn once per client or listed for each"
    )
    round_jitter: Jitter = Field(
        default=0.0, description="sigma of a lognormal factor on each local round's time"
    )
    merge_time: Seconds = Field(
        default=0.0, description="time that merging takes, for each model that goes in"
    )
    local_time: TimeOfDay = Field(
        default=0.0,
        description="time of day when the run begins, for what depends on it; groups may differ",
    )
    groups: dict[GroupName, GroupSettings] = Field(
        default_factory=dict,
        description="clients with a speed or links of their own, by a name that selects them",
    )

    @model_validator(mode="after")
    def _takes_time(self) -> ClientsSettings:
        laws: dict[Path, object] = {("step_time",): self.step_time}
        laws |= {("groups", name, "step_time"): one.step_time for name, one in self.groups.items()}
        for path, law in laws.items():
            if isinstance(law, Distribution) and law.longest_s == 0:
                raise Refusal("training takes no time", "more than zero", path)
        return self

    @model_validator(mode="after")
    def _groups_fit(self) -> ClientsSettings:
        check_groups(self.groups, self.count)
        return self

    def members(self) -> dict[str, Nodes]:
        """The clients of each group."""
        return members(self.groups, self.count)

    def each(self, setting: str, common: float | tuple[float, ...]) -> Floats:
        """What each client has of a setting [count]: its group's, or else the `common` one."""
        values = np.array(np.broadcast_to(np.asarray(common, dtype=np.float64), self.count))
        owner = owners(self.groups, self.count)
        for number, group in enumerate(self.groups.values()):
            if (own := getattr(group, setting)) is not None:
                values[owner == number] = own
        return values

    def step_times(self, stream: Stream) -> Floats:
        """Seconds of a step on each client's machine [count]; drawn from a stream of its own."""
        groups = [group.step_time for group in self.groups.values()]
        laws = [groups[n] if n >= 0 else None for n in owners(self.groups, self.count)]
        common = self.step_time
        seconds = np.array(common if isinstance(common, tuple) else [0.0] * self.count)
        for i, own in enumerate(laws):
            law = own or (common if isinstance(common, Distribution) else None)
            if law is not None:
                seconds[i] = law.draw(stream("step_time", client_name(i)), 1)[0]
        return seconds


class NetworkSettings(Settings):
    """How messages travel."""

    latency: Latency = Field(description="one-way delay of each pair: a distribution or a matrix")
    uplink: Bandwidth = Field(description="bandwidth out of a client, for all or listed for each")
    downlink: Bandwidth = Field(description="bandwidth into a client, for all or listed for each")
    sharing: Literal["max_min", "equal", "none"] = Field(
        default="max_min", description="how flows that cross a link share it"
    )
    packet_loss: Annotated[float, Field(ge=0, lt=1)] = Field(
        default=0.0,
        description="chance that a packet is lost; it slows transfers and delays messages",
    )
    transfer_loss: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.0, description="chance that a whole model goes missing on its way"
    )
    stall_timeout: PositiveSeconds = Field(
        default=30.0, description="a transfer has failed when nothing has come for so long"
    )
    transport: Annotated[Transport, OneOf(TRANSPORTS)] = Field(
        default=FLUID, description="what a transfer meets beside others on its links"
    )

    def check(self, round_trip_s: float) -> None:
        """Raise Refusal if transfers would fail where the longest round trip takes so long."""
        what = "is shorter than the longest round trip: an answer takes longer"
        check_least(self.stall_timeout, round_trip_s, what, "stall_timeout")

    def one_way(self, names: tuple[str, ...], stream: Stream) -> tuple[Floats, bool]:
        """The latencies [n, n] in seconds of nodes, clients first, and whether they are symmetric.

        A pair's draw is the later node's, so that it stays the same whoever joins.
        """
        if isinstance(self.latency, LatencyMatrix):
            return self.latency.seconds()[: len(names), : len(names)], False
        seconds = np.zeros((len(names), len(names)))
        for later in range(1, len(names)):
            seconds[later, :later] = self.latency.draw(stream("latency", names[later]), later)
        # Mirrored by blocks that fit into the processor's cache.
        for start in range(0, len(seconds), _BLOCK):
            rows = seconds[start : start + _BLOCK, : start + _BLOCK]
            square = rows[:, start:]
            square += np.triu(square.T, 1)
            seconds[:start, start : start + _BLOCK] = rows[:, :start].T
        return seconds, True


class ServerSettings(Settings):
    """The server, for protocols that need one."""

    uplink: BytesPerSecond = Field(description="bandwidth out of the server")
    downlink: BytesPerSecond = Field(description="bandwidth into the server")
    aggregation_time: Seconds = Field(
        description="time that averaging takes, for each update that goes in"
    )
    checkpoint_every: Count = Field(
        default=1, description="server rounds between two saves to stable storage"
    )


class GoalSettings(Settings):
    """A score to reach, on the validation data."""

    metric: str = Field(description="which score of the task")
    value: float = Field(description="at least this, or a loss at most this")
    of: Literal["mean", "worst", "aggregate"] = Field(
        default="mean", description="of the clients' scores, or of the aggregate model"
    )
    stage: Stage = Field(default="received", description="of a client's two models, which")

    @model_validator(mode="after")
    def _is_there(self) -> GoalSettings:
        if self.of == AGGREGATE and self.stage != RECEIVED:
            raise Refusal("the aggregate model counts as received", RECEIVED, ("stage",))
        return self


class OutputSettings(Settings):
    """What a result folder keeps beside the tables."""

    keep_models: Literal["none", "received", "trained", "final"] = Field(
        description="every node's models at the end of each run, as safetensors: of one stage, or "
        "final for all that are evaluated; or none"
    )

    def keeps(self, stage: str | None) -> bool:
        """Whether models of this stage are kept; a reference's, without one, as those of either."""
        if self.keep_models == "none":
            return False
        return self.keep_models == "final" or stage in (None, self.keep_models)


class EvaluationSettings(Settings):
    """When the observer looks; it costs no virtual time."""

    every: PositiveSeconds = Field(description="virtual time between two evaluations")
    stages: Annotated[tuple[Stage, ...], Field(strict=False, min_length=1)] = Field(
        default=("received", "trained"),
        description="of a client's two models, those that are scored",
    )
    target: GoalSettings | None = Field(
        default=None, description="the score whose time to reach is reported"
    )
