"""The world that protocols meet: clients, links, the server, and what is observed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
    model_validator,
)

from sim.record.errors import Path, Refusal, check_least
from sim.record.rows import AGGREGATE, RECEIVED, Detail, client_name, is_server
from sim.record.settings import (
    LONGEST_S,
    AllOrCount,
    Bytes,
    BytesPerSecond,
    Count,
    Drawn,
    Duration,
    GroupName,
    Nodes,
    OneOf,
    PositiveSeconds,
    Seconds,
    Settings,
    StepTime,
    TimeOfDay,
    detail,
    refused,
)
from sim.record.words import bytes_text
from sim.scenario.groups import (
    GroupSettings,
    Jitter,
    check_groups,
    members,
    owners,
)
from sim.scenario.regions import RegionsSettings
from sim.world import (
    FLUID,
    TRANSPORTS,
    Given,
    Latencies,
    Regional,
    Streams,
    Transport,
    by_law,
    node_numbers,
)

Floats = NDArray[np.float64]
Stream = Callable[..., np.random.Generator]
"""A fresh generator for a purpose and a key; see `sim.world.random_streams`."""

Where = Mapping[str, str]
"""The region of each node, by its name."""

BY_REGION = ("latency", "uplink", "downlink")
"""What of the network follows from regions unless the network says it."""

Stage = Literal["received", "trained"]

MOST_SUSPECTED = 64
"""Clients whose beliefs in each other a trace may tell: a crash is a row of each of the others."""
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
    Annotated[StepTime, Tag("one")]
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


def check_size(latency: Latency | None, clients: int, servers: int) -> None:
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
        description="time of one optimiser step: drawn once per client, that of a named device, "
        "or listed for each"
    )
    round_jitter: Jitter = Field(
        default=0.0, description="sigma of a lognormal factor on each local round's time"
    )
    merge_time: Seconds = Field(
        default=0.0, description="time that merging takes, for each model that goes in"
    )
    local_time: TimeOfDay | None = Field(
        default=None,
        description="time of day when the run begins, for what depends on it; groups may differ; "
        "left out, it is that of each client's region, or 0 h",
    )
    memory: Bytes | None = Field(
        default=None,
        description="what a client has for models: its own, which a merge turns into the sum, and "
        "those that it merges; what more there would be isn't fetched, or kept; no bound if left "
        "out",
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
            if isinstance(law, Drawn) and law.longest_s == 0:
                raise Refusal("training takes no time", "more than zero", path)
        return self

    @model_validator(mode="after")
    def _groups_fit(self) -> ClientsSettings:
        check_groups(self.groups, self.count)
        return self

    def members(self) -> dict[str, Nodes]:
        """The clients of each group."""
        return members(self.groups, self.count)

    @property
    def own_regions(self) -> list[str | None]:
        """The region of each client's group, if it has one."""
        groups = list(self.groups.values())
        return [groups[n].region if n >= 0 else None for n in owners(self.groups, self.count)]

    def each(self, setting: str, common: float | Sequence[float]) -> Floats:
        """What each client has of a setting [count]: its group's, or else the `common` one."""
        values = np.array(np.broadcast_to(np.asarray(common, dtype=np.float64), self.count))
        owner = owners(self.groups, self.count)
        for number, group in enumerate(self.groups.values()):
            if (own := getattr(group, setting)) is not None:
                values[owner == number] = own
        return values

    def rooms(self, model_bytes: int) -> list[int | None]:
        """How many models of others each client has room for beside its own; None: any number."""
        if not model_bytes:
            return [None] * self.count
        bound = math.inf if self.memory is None else self.memory
        each = (self.each("memory", bound) / model_bytes).tolist()
        return [None if models == math.inf else int(models) - 1 for models in each]

    def check_memory(self, model_bytes: int) -> None:
        """Raise Refusal if some client's has no room for another model beside its own."""
        bounds: dict[Path, float | None] = {("clients", "memory"): self.memory}
        for name, group in self.groups.items():
            bounds["clients", "groups", name, "memory"] = group.memory
        for path, bound in bounds.items():
            if bound is not None and bound < 2 * model_bytes:
                what = f"has no room for two models of {bytes_text(model_bytes)}"
                allowed = f"at least {2 * model_bytes} B: a client's own, and another to merge"
                raise Refusal(what, allowed, path)

    def step_times(self, stream: Stream) -> Floats:
        """Seconds of a step on each client's machine [count]; drawn from a stream of its own."""
        groups = [group.step_time for group in self.groups.values()]
        laws = [groups[n] if n >= 0 else None for n in owners(self.groups, self.count)]
        common = self.step_time
        seconds = np.array(common if isinstance(common, tuple) else [0.0] * self.count)
        for i, own in enumerate(laws):
            law = own or (common if isinstance(common, Drawn) else None)
            if law is not None:
                seconds[i] = law.draw(stream("step_time", client_name(i)), 1)[0]
        return seconds


class NetworkSettings(Settings):
    """How messages travel."""

    # An editor asks for what regions don't say; see `missing`.
    model_config = ConfigDict(
        json_schema_extra={"if": {"required": ["regions"]}, "else": {"required": [*BY_REGION]}}
    )

    latency: Latency | None = Field(
        default=None,
        description="one-way delay of each pair: a distribution or a matrix; regions may give it",
    )
    uplink: Bandwidth | None = Field(
        default=None,
        description="bandwidth out of a client, for all or listed for each; regions may give it",
    )
    downlink: Bandwidth | None = Field(
        default=None,
        description="bandwidth into a client, for all or listed for each; regions may give it",
    )
    regions: RegionsSettings | None = Field(
        default=None,
        description="where nodes stand, and so what latency, uplink and downlink are where those "
        "are left out",
    )
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

    @model_validator(mode="after")
    def _says_all(self) -> NetworkSettings:
        missing = [name for name in BY_REGION if getattr(self, name) is None]
        if self.regions is None and missing:
            raise refused(type(self).__name__, [detail(self._missing(name)) for name in missing])
        return self

    def standing(self, clients: ClientsSettings, nodes: Sequence[str], streams: Streams) -> Where:
        """In which region each client stands, and each server among `nodes`; {} without regions."""
        if self.regions is None:
            return {}
        places = self.regions.of_clients(clients.own_regions, streams)
        names = map(client_name, range(clients.count))
        servers = [name for name in nodes if is_server(name)]
        return {**dict(zip(names, places, strict=True)), **self.regions.of_servers(servers)}

    def bandwidths(
        self, link: Literal["uplink", "downlink"], clients: ClientsSettings, where: Where
    ) -> Floats:
        """Bytes per second of each client's link [clients]."""
        common = getattr(self, link)
        if common is None and self.regions is not None:
            regions = self.regions.regions
            names = map(client_name, range(clients.count))
            common = [getattr(regions[where[name]], link) for name in names]
        return clients.each(link, common)

    def local_times(self, clients: ClientsSettings, where: Where) -> Floats:
        """The time of day of each client when the run begins [clients], in seconds."""
        common: float | list[float] | None = clients.local_time
        if common is None:
            names = map(client_name, range(clients.count))
            common = [self.local_time_s(where.get(name)) for name in names]
        return clients.each("local_time", common)

    def local_time_s(self, region: str | None) -> float:
        """The time of day in a region when the run begins; 0 where there is none."""
        if self.regions is None or region is None:
            return 0.0
        return self.regions.local_time_s(region)

    def latencies(self, names: Sequence[str], streams: Streams, where: Where) -> Latencies:
        """Those of nodes, clients first; a pair's stays the same whoever joins."""
        numbers = node_numbers(names)
        if isinstance(self.latency, LatencyMatrix):
            return Given(self.latency.seconds()[: len(names), : len(names)])
        if self.latency is not None:
            return by_law(self.latency, streams, numbers)
        assert self.regions is not None
        factors = by_law(self.regions.factor, streams, numbers)
        # The machine of all data stands nowhere, and has nobody to talk to.
        return Regional(*self.regions.standing([where.get(name) for name in names]), factors)


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
        default="none",
        description="the models that are scored at the end of each run, as safetensors: of one "
        "stage, or final for all; or none; left out, final for tasks that segment",
    )
    trace: Detail = Field(
        default="all",
        description="what trace.parquet tells of; rounds: local and server rounds, merges, and "
        "what befalls nodes and network, but no single messages; none: nothing; counters are "
        "whole in any case",
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
    clients: AllOrCount = Field(
        default="all",
        description="how many clients are scored, drawn by the seed: a larger number adds others "
        "to the same ones; the aggregate is of all clients",
    )
    suspicions: bool = Field(
        default=False,
        description="whether the trace tells when a node begins and ceases to believe that another "
        f"is down; of {MOST_SUSPECTED} clients at most",
    )
    target: GoalSettings | None = Field(
        default=None, description="the score whose time to reach is reported"
    )

    def scored(self, clients: int, streams: Streams) -> list[int]:
        """The numbers of those of so many clients that are scored, in order."""
        if isinstance(self.clients, str):
            return list(range(clients))
        luck = streams.uniforms("scored", np.arange(clients))
        return sorted(np.argsort(luck, kind="stable")[: self.clients].tolist())
