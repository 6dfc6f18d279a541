"""Where each node stands, and what of its links and its time of day follows from that."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Discriminator, Field, Tag, model_validator

from sim.record.errors import Path, Refusal, did_you_mean
from sim.record.rows import SERVER
from sim.record.settings import (
    DAY_S,
    Constant,
    Distribution,
    Lognormal,
    Settings,
    TimeOfDay,
    detail,
    refused,
)
from sim.scenario.regions.table import Region, RegionName, Table, between_s, one_way_s
from sim.scenario.regions.tables import TABLES
from sim.world import Streams

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_Share = Annotated[float, Field(ge=0, le=1)]


def _sort(data: Any) -> str:
    if isinstance(data, dict):
        return "shares"
    return "list" if isinstance(data, (list, tuple)) else "one"


def _named_or_written(data: Any) -> str:
    return "written" if isinstance(data, dict) else "name"


class RegionsSettings(Settings):
    """Where nodes stand in the world: what `network` doesn't say itself follows from that."""

    table: Annotated[
        Annotated[str, Tag("name")]
        | Annotated[dict[RegionName, Region], Field(min_length=1), Tag("written")],
        Discriminator(_named_or_written),
    ] = Field(description=f"{', '.join(TABLES)}, a CSV file beside the scenario, or written out")
    clients: (
        Annotated[
            Annotated[RegionName, Tag("one")]
            | Annotated[tuple[RegionName, ...], Field(strict=False), Tag("list")]
            | Annotated[dict[RegionName, _Share], Field(min_length=1), Tag("shares")],
            Discriminator(_sort),
        ]
        | None
    ) = Field(
        default=None,
        description="the region of all, listed for each, or the share of each region, by which it "
        "is drawn for each client; groups may have their own",
    )
    server: RegionName | None = Field(default=None, description="the region of the server")
    standbys: Annotated[tuple[RegionName, ...], Field(strict=False)] = Field(
        default=(), description="the regions of standby_1 and so on; the server's if left out"
    )
    spread: Annotated[float, Field(ge=0, le=10)] = Field(
        default=0.0, description="sigma of a lognormal factor on each pair's latency"
    )
    begins: TimeOfDay = Field(
        default=0.0,
        description="time of day in UTC when the run begins; theirs follows from it",
    )

    @model_validator(mode="after")
    def _is_sound(self) -> RegionsSettings:
        if found := list(self._mistakes()):
            raise refused(type(self).__name__, list(map(detail, found)))
        return self

    def _mistakes(self) -> Iterator[Refusal]:
        if isinstance(self.table, str) and self.table not in TABLES:
            near = did_you_mean(self.table, TABLES)
            # A file's name has been replaced by its regions, unless a sweep or Python gave it.
            allowed = f"{', '.join(TABLES)}, or a mapping of regions"
            yield Refusal(f"{self.table!r} is no table{near}", allowed, ("table",))
            return
        written = {} if isinstance(self.table, str) else self.table
        for name, region in written.items():
            for other in region.latency:
                yield from self.unknown(other, ("table", name, "latency", other))
        for path, name in self.named():
            yield from self.unknown(name, path)
        if isinstance(self.clients, dict):
            together = math.fsum(self.clients.values())
            if not math.isclose(together, 1, abs_tol=1e-9):
                yield Refusal(f"shares are {together:g} together", "shares of 1", ("clients",))

    def unknown(self, name: str, path: Path) -> Iterator[Refusal]:
        """The mistake at `path` if the table has no region of that name."""
        if name not in self.regions:
            what = f"{name!r} is no region of the table{did_you_mean(name, self.regions)}"
            yield Refusal(what, ", ".join(self.regions), path)

    @property
    def regions(self) -> Table:
        """The table's regions by their names."""
        return TABLES[self.table].regions if isinstance(self.table, str) else self.table

    @property
    def factor(self) -> Distribution:
        """Of each pair's latency; a larger spread stretches the same draws."""
        if not self.spread:
            return Constant.model_validate({"distribution": "constant", "value": "1 s"})
        law = {"distribution": "lognormal", "median": "1 s", "sigma": self.spread}
        return Lognormal.model_validate(law)

    def named(self) -> Iterator[tuple[Path, str]]:
        """The regions in which somebody may stand, with where that is said."""
        match self.clients:
            case str():
                yield ("clients",), self.clients
            case dict():
                yield from ((("clients", name), name) for name in self.clients)
            case tuple():
                yield from ((("clients", i), name) for i, name in enumerate(self.clients))
        if self.server is not None:
            yield ("server",), self.server
        yield from ((("standbys", i), name) for i, name in enumerate(self.standbys))

    def unknown_pairs(self, groups: Sequence[str]) -> list[tuple[str, str]]:
        """Pairs of regions in use whose latency the table doesn't know; `groups`: of groups."""
        used = self._used([*(name for _, name in self.named()), *groups])
        pairs = itertools.combinations_with_replacement(used, 2)
        return [pair for pair in pairs if math.isnan(between_s(self.regions, *pair))]

    def without(self, link: Literal["uplink", "downlink"], groups: Sequence[str]) -> list[str]:
        """The clients' regions of which the table knows no bandwidth."""
        own = [name for path, name in self.named() if path[0] == "clients"]
        used = self._used([*own, *groups])
        return [name for name in used if getattr(self.regions[name], link) is None]

    def _used(self, names: Sequence[str]) -> list[str]:
        """Those of the table's regions that are named, in its order."""
        return [name for name in self.regions if name in names]

    def of_clients(self, own: Sequence[str | None], streams: Streams) -> list[str]:
        """The region of each client; `own`: its group's. Each draws from a stream of its own."""
        common: Sequence[str | None] = own
        match self.clients:
            case str():
                common = [self.clients] * len(own)
            case tuple():
                common = self.clients
            case dict():
                names, upto = list(self.clients), np.cumsum([*self.clients.values()])
                luck = streams.uniforms("region", np.arange(len(own)))
                # The last takes what rounding leaves.
                drawn = np.searchsorted(upto[:-1], luck, side="right")
                common = [names[i] for i in drawn]
        return [mine or other or "" for mine, other in zip(own, common, strict=True)]

    def of_servers(self, names: Sequence[str]) -> dict[str, str]:
        """The region of each of all servers, by name; {} if nobody says where they stand."""
        if self.server is None or not names:
            return {}
        standbys = [name for name in names if name != SERVER]
        places = self.standbys or [self.server] * len(standbys)
        return {SERVER: self.server, **dict(zip(standbys, places, strict=True))}

    def standing(self, places: Sequence[str | None]) -> tuple[Floats, Ints]:
        """The table's latencies [regions, regions] in seconds, and the row of each node [n].

        `places` [n]: the region of each; whoever has none is put into the first.
        """
        order: dict[str | None, int] = {name: row for row, name in enumerate(self.regions)}
        return one_way_s(self.regions), np.array([order.get(place, 0) for place in places])

    def local_time_s(self, region: str) -> float:
        """The time of day there when the run begins."""
        return (self.begins + self.regions[region].utc_offset) % DAY_S
