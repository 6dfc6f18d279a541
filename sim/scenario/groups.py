"""Groups of clients: some that compute or send otherwise than the others, under a common name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from sim.record.errors import Refusal
from sim.record.settings import (
    Bytes,
    BytesPerSecond,
    Count,
    NodeList,
    Nodes,
    Settings,
    StepTime,
    TimeOfDay,
    ranged,
    shared_out,
    span,
    twice,
)
from sim.scenario.regions import RegionName

Ints = NDArray[np.int64]

_MOST_PARTS = 4

Jitter = Annotated[float, Field(ge=0, le=10)]


class GroupSettings(Settings):
    """Clients of their own kind: what is left out is as for all."""

    count: Count | None = Field(
        default=None, description="how many: the first clients that are in no other group"
    )
    nodes: NodeList | None = Field(default=None, description="which clients, instead of count")
    step_time: StepTime | None = Field(
        default=None,
        description="time of one optimiser step: drawn once per client, or that of a named device",
    )
    round_jitter: Jitter | None = Field(
        default=None, description="sigma of a lognormal factor on each local round's time"
    )
    uplink: BytesPerSecond | None = Field(default=None, description="bandwidth out of a client")
    downlink: BytesPerSecond | None = Field(default=None, description="bandwidth into a client")
    local_time: TimeOfDay | None = Field(
        default=None, description="time of day where they are when the run begins"
    )
    region: RegionName | None = Field(
        default=None, description="where they stand, of network.regions"
    )

    memory: Bytes | None = Field(
        default=None, description="what a client has for models, its own and those it merges"
    )

    @model_validator(mode="after")
    def _has_clients(self) -> GroupSettings:
        if (self.count is None) == (self.nodes is None):
            raise Refusal("needs one way to say who is in it", "either count or nodes")
        for index, part in enumerate(self.nodes or ()):
            if span(part) is None:
                what, allowed = f"{part!r} is no client", "client_<number>, or a range of them"
                raise Refusal(what, allowed, ("nodes", index))
        return self

    @property
    def is_special(self) -> bool:
        """Whether its clients have anything of their own."""
        own = self.model_dump(exclude={"count", "nodes"}, exclude_none=True)
        return bool(own)

    @property
    def spans(self) -> list[tuple[int, int]]:
        """The first and the last number of what it names."""
        return [among for part in self.nodes or () if (among := span(part))]


def check_groups(groups: Mapping[str, GroupSettings], clients: int) -> None:
    """Raise Refusal if they name clients that there are not, or more than one has the same."""
    for refusal in _mistakes(groups, clients):
        raise refusal.below("groups")


def _mistakes(groups: Mapping[str, GroupSettings], clients: int) -> Iterator[Refusal]:
    named = {name: group.nodes for name, group in groups.items() if group.nodes}
    for name in named:
        for index, (_, last) in enumerate(groups[name].spans):
            if last >= clients:
                what = f"{ranged(last, last)} does not exist"
                yield Refusal(what, ranged(0, clients - 1), (name, "nodes", index))
    for row, column in twice(list(named.values())):
        name = list(named)[row]
        what = f"{named[name][column]} is in another group, too"
        yield Refusal(what, "each client in one group", (name, "nodes", column))
    counted = {name: group.count for name, group in groups.items() if group.count}
    taken = sum(last - first + 1 for name in named for first, last in groups[name].spans)
    if (asked := sum(counted.values())) > clients - taken:
        allowed = f"at most {clients - taken} of {clients} clients: those that no group names"
        yield Refusal(f"groups count {asked} clients", allowed, (list(counted)[-1], "count"))


def owners(groups: Mapping[str, GroupSettings], clients: int) -> Ints:
    """Each client's group [clients], by its number in the order of the groups; -1 for none."""
    if not groups:
        return np.full(clients, -1)
    named = [group.nodes or () for group in groups.values()]
    counts = [group.count or 0 for group in groups.values()]
    owner = shared_out(named, counts, clients)
    return np.array([-1 if group is None else group for group in owner], dtype=np.int64)


def members(groups: Mapping[str, GroupSettings], clients: int) -> dict[str, Nodes]:
    """By group its clients, as names and ranges."""
    owner = owners(groups, clients)
    return {name: _listed(np.flatnonzero(owner == n)) for n, name in enumerate(groups)}


def briefly(nodes: Sequence[str]) -> str:
    """Nodes, clients first, as names and ranges; of many that are no neighbours how many."""
    clients = [among[0] for node in nodes if (among := span(node))]
    parts = [*_listed(np.array(clients, dtype=np.int64)), *nodes[len(clients) :]]
    return ", ".join(parts) if len(parts) <= _MOST_PARTS else f"{len(nodes)} nodes"


def _listed(numbers: Ints) -> Nodes:
    """Clients by their ascending numbers, in as few parts as there can be."""
    runs = np.split(numbers, np.flatnonzero(np.diff(numbers) > 1) + 1)
    return Nodes(ranged(int(run[0]), int(run[-1])) for run in runs if len(run))
