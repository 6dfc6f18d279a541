"""Nodes fail and are repaired again and again, after times that laws say."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from sim.faults.fault import KIND, LOSES_STORAGE, SEED, Fault, listed
from sim.faults.shared.daily import Daily
from sim.faults.shared.laws import Begins, Laws, Luck, Times
from sim.faults.shared.presets import PRESETS
from sim.faults.shared.sides import Sides, check_apart, named_in
from sim.record.errors import Path, Refusal
from sim.record.metrics import LabelShares
from sim.record.rows import is_server
from sim.record.settings import (
    Distribution,
    Duration,
    Exponential,
    PerSecond,
    PositiveSeconds,
    Seed,
    Selector,
    selects,
)
from sim.world import Behaviour, Node, Tie, World

Floats = npt.NDArray[np.float64]

_UP = ("failure_rate", "mean_time_to_failure", "time_to_failure")
_DOWN = ("mean_time_to_repair", "time_to_repair")


class _AtRate(Exponential):
    """The exponential law of so many failures a second."""

    rate_per_s: float

    def at_hazard(self, hazard: Floats) -> Floats:
        # Times the mean it would be rounded otherwise than results have it that are there.
        return hazard / self.rate_per_s


class Churn(Fault):
    """Nodes fail and are repaired again and again, after times that laws say.

    With a shorter scale of its times up or down, or a higher rate, each k-th failure of a node
    comes no later, if it begins up. In equilibrium that holds for those that begin alike: with a
    shorter scale of the times up more of them begin down, and none that began down begins up.
    """

    leaves_others_alone: ClassVar[bool] = True

    kind: Literal["churn"] = Field(description=KIND)
    nodes: Selector | None = Field(default=None, description="the nodes that fail, each on its own")
    groups: Sides | None = Field(
        default=None,
        description="instead of nodes, lists of them: each fails and is repaired as one",
    )
    preset: Literal["phones", "servers"] | None = Field(
        default=None,
        description="laws, beginning and rhythm as measured, but for those that are given: phones, "
        "about 19 % of them online, fewest in the afternoon; or servers of clusters, 20 failures a "
        "year and mean repairs of 6 h",
    )
    failure_rate: PerSecond | None = Field(
        default=None, description="failures per node and unit of time up; '0 / h' for none"
    )
    mean_time_to_failure: PositiveSeconds | None = Field(
        default=None, description="mean time up, exponential, instead of failure_rate"
    )
    time_to_failure: Duration | None = Field(
        default=None, description="time up by any law, instead of failure_rate"
    )
    mean_time_to_repair: PositiveSeconds | None = Field(
        default=None, description="mean time down, exponential"
    )
    time_to_repair: Duration | None = Field(
        default=None, description="time down by any law, instead of mean_time_to_repair"
    )
    begins: Begins | None = Field(
        default=None,
        description="up: all are up and new at first, the default; equilibrium: each is up or down "
        "as at any instant in the long run",
    )
    daily: Daily | None = Field(
        default=None,
        description="a rhythm: more failures around the hour peak, fewer half a day away, by the "
        "part swing; by the local_time of a client, or of a group's first node",
    )
    spread: Annotated[float, Field(ge=0, le=10)] | None = Field(
        default=None,
        description="sigma of a lognormal factor, of median 1, on each node's or group's times up",
    )
    tied_to: Literal["samples", "rarest_class"] | None = Field(
        default=None,
        description="deals the clients' lives out again in the order of what they have: training "
        "samples, or samples of the class of which there are fewest; needs spread",
    )
    fails_sooner: Literal["most", "least"] | None = Field(
        default=None,
        description="with tied_to: who has the lives of shorter times up, those with most, the "
        "default, or with least",
    )
    loses_storage: bool = Field(default=False, description=LOSES_STORAGE)
    seed: Seed | None = Field(default=None, description=SEED)

    @model_validator(mode="after")
    def _fits(self) -> Churn:
        if (self.nodes is None) == (self.groups is None):
            raise Refusal("needs one way to say who fails", "either nodes or groups")
        for what, names in (("failure", _UP), ("repair", _DOWN)):
            self._check_law(f"needs one time to {what}", names)
        self._check_tie()
        return self

    def _check_tie(self) -> None:
        if self.tied_to is None:
            if self.fails_sooner:
                raise Refusal("orders lives that are tied to nothing", "tied_to", ("fails_sooner",))
        elif self.groups is not None:
            what = "ties each client's life to its own data, and a group has one for all"
            raise Refusal(what, "nodes instead of groups", ("tied_to",))
        elif self.spread is None:
            allowed = "a spread beside it, as spread: 1"
            raise Refusal("ties lives that don't differ", allowed, ("tied_to",))

    def _check_law(self, what: str, names: Sequence[str]) -> None:
        given = [name for name in names if getattr(self, name) is not None]
        if len(given) > 1 or not (given or self.preset):
            raise Refusal(what, f"{', '.join(names[:-1])} or {names[-1]}; or a preset")
        for name in given:
            law = getattr(self, name)
            if isinstance(law, Distribution) and law.longest_s == 0:
                raise Refusal("takes no time", "more than zero", (name,))

    @property
    def rate_per_s(self) -> float | None:
        """Failures per second of a node that is up, however written; None if a law says more."""
        if self.mean_time_to_failure is not None:
            return 1.0 / self.mean_time_to_failure
        return self.failure_rate

    @property
    def laws(self) -> Laws | None:
        """By what it lives; None if it never fails."""
        rate = self.rate_per_s
        if rate == 0:
            return None
        up, down = self.time_to_failure, self.time_to_repair
        if rate is not None:
            up = _AtRate.model_construct(mean=1.0 / rate, rate_per_s=rate)
        if self.mean_time_to_repair is not None:
            down = Exponential.model_construct(mean=self.mean_time_to_repair)
        own = {"up": up, "down": down, "begins": self.begins, "daily": self.daily}
        given: dict[str, Any] = {name: part for name, part in own.items() if part is not None}
        return replace(_measured(self.preset), **given) if self.preset else Laws(**given)

    @property
    def _lists(self) -> tuple[str | tuple[str, ...], ...]:
        """Selectors that between them mean all that fail."""
        return self.groups or (() if self.nodes is None else (self.nodes,))

    def strikes(self, nodes: Sequence[str]) -> Sequence[str]:
        return [node for node in nodes if any(selects(one, node) for one in self._lists)]

    def named(self) -> Iterator[tuple[Path, str]]:
        if self.nodes is not None:
            yield from listed("nodes", self.nodes)
        yield from named_in("groups", self.groups or ())

    def check(self, nodes: Sequence[str]) -> None:
        check_apart("groups", self.groups or (), nodes)
        if self.tied_to and all(is_server(node) for node in self.strikes(nodes)):
            raise Refusal("ties no client's life", "clients among the nodes", ("tied_to",))

    def check_data(self, label_shares: LabelShares | None) -> None:
        if self.tied_to == "rarest_class" and label_shares is None:
            what, allowed = "the task has no classes", "samples, or a task with classes"
            raise Refusal(what, allowed, ("tied_to",))

    def events(self, duration_s: float, nodes: Sequence[str]) -> float:
        laws = self.laws
        return 2.0 * len(self.strikes(nodes)) * duration_s / laws.cycle_s if laws else 0.0

    def start(self, name: str, world: World) -> None:
        """See Fault; each node, or each group, has a life of its own."""
        laws = self.laws
        lives = list(self._lives(world))  # Of who never fails, too: so others keep their luck.
        if laws is None:
            return

        def live(nodes: Sequence[Node], down_s: float, times: Times) -> Behaviour:
            if down_s:
                yield world.clock.after(down_s, Tie.FAULT)
                mend(nodes)
            for up_s, down_s in times:
                yield laws.failure(world.clock, up_s, nodes[0].machine.local_time_s)
                for node in nodes:
                    node.crash(name, loses_storage=self.loses_storage)
                yield world.clock.after(down_s, Tie.FAULT)
                mend(nodes)

        def mend(nodes: Sequence[Node]) -> None:
            for node in nodes:
                node.recover(name)

        for nodes, luck in lives:
            stretch = math.exp(self.spread * _normal(world, luck)) if self.spread else 1.0
            down_s, times = laws.life(world.streams, luck, stretch)
            for node in nodes if down_s else ():
                node.crash(name)  # Now: at its first event its behaviour would have begun.
            world.clock.process(live(nodes, down_s, times))

    def _lives(self, world: World) -> Iterator[tuple[list[Node], Luck]]:
        """Who fails as one, and what names their luck."""
        for group in self.groups or ():
            if nodes := world.select(group):
                yield nodes, self._luck("churn_group", nodes[0], world)
        if self.nodes is not None:
            nodes = world.select(self.nodes)
            lucks = [self._luck("churn", node, world) for node in nodes]
            if self.tied_to:
                lucks = self._dealt(lucks, nodes, world)
            yield from zip(([node] for node in nodes), lucks, strict=True)

    def _luck(self, purpose: str, node: Node, world: World) -> Luck:
        return purpose, world.luck_key(purpose, node, self.seed), node.name

    def _dealt(self, lucks: Sequence[Luck], nodes: Sequence[Node], world: World) -> list[Luck]:
        """The same lives, those of clients in the order of their data; a server keeps its own."""
        clients = [place for place, node in enumerate(nodes) if node.machine.site is not None]
        amounts = _amounts(world, self.tied_to == "rarest_class")
        sign = 1 if self.fails_sooner == "least" else -1
        soonest = sorted(clients, key=lambda place: _normal(world, lucks[place]))
        by_data = sorted(clients, key=lambda place: sign * amounts[nodes[place].index])
        whose = dict(zip(by_data, soonest, strict=True))
        return [lucks[whose.get(place, place)] for place in range(len(nodes))]


def _normal(world: World, luck: Luck) -> float:
    """How a life differs from others, in standard deviations of its times' logarithm."""
    return float(world.streams.stream(*luck, "spread").standard_normal())


def _amounts(world: World, of_rarest_class: bool) -> list[int]:
    """What each client has [clients]: samples, or those of the class that has fewest."""
    samples = np.array([node.machine.samples for node in world.clients])
    if not of_rarest_class:
        return list(samples.tolist())
    assert world.label_shares is not None
    counts = np.rint(samples[:, np.newaxis] * np.array(world.label_shares))
    totals = counts.sum(axis=0)
    rarest = int(np.argmin(np.where(totals > 0, totals, np.inf)))
    return list(counts[:, rarest].tolist())


@cache
def _measured(preset: str) -> Laws:
    laws = Churn.model_validate({"kind": "churn", "nodes": "all", **PRESETS[preset]}).laws
    assert laws is not None
    return laws
