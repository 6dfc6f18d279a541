"""What a run costs: prices, and the power that machines draw. Nothing in a world depends on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from pydantic import Field, model_validator

from sim.record.errors import Path, Refusal
from sim.record.settings.base import Settings
from sim.record.settings.nodes import GroupName
from sim.record.settings.quantities import PerByte, PerJoule, Watts

_POWER = "a computing_power, e.g. 15 W"


class Power(NamedTuple):
    """What a machine draws while it computes, and while it is up and doesn't, in watts."""

    computing_w: float
    idle_w: float


class GroupCosts(Settings):
    """What clients of a group draw: what is left out is as for all."""

    computing_power: Watts | None = Field(
        default=None, description="what a client draws while it trains or merges"
    )
    idle_power: Watts | None = Field(
        default=None, description="what it draws while it is up and does neither"
    )


class CostsSettings(Settings):
    """Prices and powers, from which energy and costs are worked out when results are read."""

    traffic: PerByte = Field(
        default=0.0, description="price of each byte of a model that arrives, in your currency"
    )
    energy_price: PerJoule = Field(default=0.0, description="price of energy, in your currency")
    computing_power: Watts = Field(
        default=0.0, description="what a client draws while it trains or merges"
    )
    idle_power: Watts = Field(
        default=0.0, description="what a client draws while it is up and does neither"
    )
    server_computing_power: Watts = Field(
        default=0.0, description="what a server draws while it aggregates"
    )
    server_idle_power: Watts = Field(
        default=0.0, description="what a server draws while it is up and doesn't"
    )
    groups: dict[GroupName, GroupCosts] = Field(
        default_factory=dict, description="groups of clients that draw otherwise than the others"
    )

    @model_validator(mode="after")
    def _costs_something(self) -> CostsSettings:
        if self.energy_price and not self.draws_power:
            raise Refusal("is of energy, and nothing draws any", _POWER, ("energy_price",))
        if not self.traffic and not self.draws_power:
            raise Refusal("sets no price and no power", f"traffic, e.g. 0.09 / GB, or {_POWER}")
        for path, power in self._powers():
            if power.computing_w < power.idle_w:
                allowed = f"at least the idle power, {power.idle_w:g} W"
                raise Refusal("is less than what idling takes", allowed, path)
        return self

    @property
    def draws_power(self) -> bool:
        """Whether any machine does."""
        return any(any(power) for _, power in self._powers())

    @property
    def has_price(self) -> bool:
        """Whether anything costs money."""
        return self.traffic > 0 or self.energy_price > 0

    @property
    def client(self) -> Power:
        """That of a client in no group."""
        return Power(self.computing_power, self.idle_power)

    @property
    def server(self) -> Power:
        """That of a server, whether it leads or stands by."""
        return Power(self.server_computing_power, self.server_idle_power)

    def of_group(self, name: str | None) -> Power:
        """That of a client in the group; None: in no group."""
        own = self.groups.get(name or "", GroupCosts())
        computing_w, idle_w = own.computing_power, own.idle_power
        return Power(
            self.computing_power if computing_w is None else computing_w,
            self.idle_power if idle_w is None else idle_w,
        )

    def _powers(self) -> Iterator[tuple[Path, Power]]:
        yield ("computing_power",), self.client
        yield ("server_computing_power",), self.server
        for name in self.groups:
            yield ("groups", name), self.of_group(name)
