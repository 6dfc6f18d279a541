"""The world that protocols meet: clients, links, the server, and what is observed."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Discriminator, Field, Tag, WithJsonSchema, model_validator

from sim.record.settings.base import Count, Settings, mistake
from sim.record.settings.distributions import Distribution
from sim.record.settings.quantities import BytesPerSecond, PositiveSeconds, Seconds

_UNITS_S = {"s": 1.0, "ms": 1e-3, "us": 1e-6}


def _one_or_list(data: Any) -> str:
    return "list" if isinstance(data, (list, tuple)) else "one"


def _one_or_table(data: Any) -> str:
    table = isinstance(data, LatencyMatrix) or (isinstance(data, dict) and "matrix" in data)
    return "table" if table else "one"


class LatencyMatrix(Settings):
    """The latency of each pair, measured: row sends to column, clients first, the server last."""

    matrix: Annotated[
        tuple[Annotated[tuple[Annotated[float, Field(ge=0)], ...], Field(strict=False)], ...],
        Field(strict=False, min_length=1),
        WithJsonSchema({"type": ["string", "array"], "items": {"type": "array"}}),
    ] = Field(description="a CSV file without header, beside the scenario; or rows of numbers")
    unit: Literal["s", "ms", "us"] = Field(description="the unit of its numbers")

    @model_validator(mode="after")
    def _square(self) -> LatencyMatrix:
        for index, row in enumerate(self.matrix):
            if len(row) != len(self.matrix):
                what = f"row {index + 1} has {len(row)} numbers"
                raise mistake(what, f"{len(self.matrix)}, as many as rows", "matrix", index)
        return self

    def seconds(self) -> NDArray[np.float64]:
        """The latencies in seconds, shape (nodes, nodes), a new array."""
        return np.array(self.matrix, dtype=np.float64) * _UNITS_S[self.unit]


PerClientTime = Annotated[
    Annotated[Distribution, Tag("one")]
    | Annotated[tuple[PositiveSeconds, ...], Field(strict=False), Tag("list")],
    Discriminator(_one_or_list),
]
Latency = Annotated[
    Annotated[Distribution, Tag("one")] | Annotated[LatencyMatrix, Tag("table")],
    Discriminator(_one_or_table),
]
Bandwidth = Annotated[
    Annotated[BytesPerSecond, Tag("one")]
    | Annotated[tuple[BytesPerSecond, ...], Field(strict=False), Tag("list")],
    Discriminator(_one_or_list),
]


class ClientsSettings(Settings):
    """Who learns, and how fast each of them computes."""

    count: Annotated[int, Field(ge=1, le=100_000)] = Field(description="number of clients")
    step_time: PerClientTime = Field(
        description="time of one optimiser step, drawn once per client or listed for each"
    )
    round_jitter: Annotated[float, Field(ge=0, le=10)] = Field(
        default=0.0, description="sigma of a lognormal factor on each local round's time"
    )
    merge_time: Seconds = Field(default=0.0, description="time that merging models takes")

    @model_validator(mode="after")
    def _takes_time(self) -> ClientsSettings:
        if getattr(self.step_time, "value", 1) == 0 or getattr(self.step_time, "high", 1) == 0:
            raise mistake("training takes no time", "more than zero", "step_time")
        return self


class NetworkSettings(Settings):
    """How messages travel."""

    latency: Latency = Field(description="one-way delay of each pair: a distribution or a matrix")
    uplink: Bandwidth = Field(description="bandwidth out of a client, for all or listed for each")
    downlink: Bandwidth = Field(description="bandwidth into a client, for all or listed for each")
    sharing: Literal["max_min", "equal", "none"] = Field(
        default="max_min", description="how flows that cross a link share it"
    )
    message_loss: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.0, description="chance that a message never arrives"
    )


class ServerSettings(Settings):
    """The server, for protocols that need one."""

    uplink: BytesPerSecond = Field(description="bandwidth out of the server")
    downlink: BytesPerSecond = Field(description="bandwidth into the server")
    aggregation_time: Seconds = Field(description="time that averaging one round takes")
    checkpoint_every: Count = Field(
        default=1, description="server rounds between two saves to stable storage"
    )


class TargetSettings(Settings):
    """A score to reach."""

    metric: str = Field(description="which score of the task")
    value: float = Field(description="at least this, or a loss at most this")


class StopSettings(TargetSettings):
    """A score that ends a run early."""

    of: Literal["mean", "worst", "aggregate"] = Field(
        default="mean", description="of the clients' scores, or of the aggregate model"
    )


class OutputSettings(Settings):
    """What a result folder keeps beside the tables."""

    keep_models: Literal["none", "final"] = Field(
        description="every node's model at the end of each run, as safetensors; or none"
    )


class EvaluationSettings(Settings):
    """When the observer looks; it costs no virtual time."""

    every: PositiveSeconds = Field(description="virtual time between two evaluations")
    target: TargetSettings | None = Field(
        default=None, description="the score whose time to reach is reported"
    )
