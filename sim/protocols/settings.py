"""How nodes learn together: the settings of every kind of protocol."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler, WithJsonSchema
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from sim.record.settings.base import Settings, mistake
from sim.record.settings.quantities import PositiveSeconds

_KIND = "the protocol's kind; the name in the scenario if left out"
_RETRIES = Annotated[int, Field(ge=0)]


def _all_or_count(data: Any) -> Any:
    if data == "all" or (isinstance(data, int) and not isinstance(data, bool) and data >= 1):
        return data
    raise mistake(f"{data!r} is no number of peers", "all, or a whole number of at least 1")


AllOrCount = Annotated[
    Literal["all"] | int,
    BeforeValidator(_all_or_count),
    WithJsonSchema({"anyOf": [{"const": "all"}, {"type": "integer", "minimum": 1}]}),
]


class BrainTorrentSettings(Settings):
    """Serverless: clients ask peers for newer models, merge them and fine-tune.

    Source: Roy et al. 2019, arXiv 1905.06731.
    """

    kind: Literal["braintorrent"] = Field(default="braintorrent", description=_KIND)
    schedule: Literal["independent", "random_initiator", "lockstep"] = Field(
        default="independent", description="who merges when"
    )
    peers: AllOrCount = Field(default="all", description="how many random peers to ping")
    max_senders: AllOrCount = Field(
        default="all", description="from how many of the newer peers to fetch weights"
    )
    ping_timeout: PositiveSeconds = Field(default=1.0, description="how long to wait for replies")
    transfer_timeout: PositiveSeconds = Field(
        default=30.0, description="how long to wait for weights"
    )
    retries: _RETRIES = Field(default=3, description="how often to ask again after a timeout")


class FedAvgSettings(Settings):
    """Server-based: the server sends a model out, clients train, it averages what returns.

    Source: McMahan et al. 2017, arXiv 1602.05629.
    """

    kind: Literal["fedavg"] = Field(default="fedavg", description=_KIND)
    deadline: PositiveSeconds | None = Field(
        default=None, description="when a server round closes; required with faults or loss"
    )
    minimum_fraction: Annotated[float, Field(gt=0, le=1)] = Field(
        default=0.5, description="share of the updates without which a round starts again"
    )
    participation: Annotated[float, Field(gt=0, le=1)] = Field(
        default=1.0, description="share of the clients selected for each server round"
    )
    transfer_timeout: PositiveSeconds = Field(
        default=30.0, description="how long to wait for weights"
    )
    retries: _RETRIES = Field(default=3, description="how often to ask again after a timeout")
    retry_initial: PositiveSeconds = Field(
        default=1.0, description="a client's first wait when it finds the server down"
    )
    retry_cap: PositiveSeconds = Field(
        default=30.0, description="its longest wait; each wait doubles up to here"
    )


class PooledSettings(Settings):
    """One model on all clients' data, free of faults: the upper bound."""

    kind: Literal["pooled"] = Field(default="pooled", description=_KIND)


class LocalSettings(Settings):
    """Each client alone on its own data: the lower bound."""

    kind: Literal["local"] = Field(default="local", description=_KIND)


class _AnyKind:
    """Tells editors that the kind may be left out, so that several kinds may fit."""

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"anyOf": handler(core)["oneOf"]}


ProtocolSettings = Annotated[
    BrainTorrentSettings | FedAvgSettings | PooledSettings | LocalSettings,
    Field(discriminator="kind"),
    _AnyKind(),
]

PROTOCOLS: dict[str, type[Settings]] = {
    "braintorrent": BrainTorrentSettings,
    "fedavg": FedAvgSettings,
    "pooled": PooledSettings,
    "local": LocalSettings,
}
