"""The worlds that are played twice: six protocols, each with nothing amiss and with what may be."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ruamel.yaml import YAML

from sim.scenario import Scenario, load
from tests.reality.plan import Plan

FOLDER = Path(__file__).parent / "scenarios"
BASE = FOLDER / "base.yaml"
LARGE = 20.0
"""The goal is about models of at least so many times what is under way on a link."""


@dataclass(frozen=True)
class World:
    """One protocol in one world, under one seed.

    `changes`: what is otherwise there than in the base, as `--set` takes it.
    """

    protocol: str
    name: str
    seed: int
    changes: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.protocol}:{self.name}:{self.seed}"

    def scenario(self, transport: str = "fluid") -> Scenario:
        """As the simulator plays it."""
        own = f"seeds=[{self.seed}]", f"network.transport={transport}"
        return load(BASE, [*self.changes, *own])

    @cached_property
    def plan(self) -> Plan:
        """As real processes play it."""
        return Plan(self.scenario(), self.protocol)

    @property
    def is_in_scope(self) -> bool:
        """Whether the goal is about it: large models, and nothing is lost."""
        return self.plan.scenario.network.packet_loss == 0 and self.plan.size >= LARGE


def every_world(seeds: int = 1) -> dict[str, World]:
    """All of them, by PROTOCOL:NAME:SEED; without a server none crashes."""
    changes = YAML(typ="safe").load((FOLDER / "worlds.yaml").read_text(encoding="utf-8"))
    worlds = [
        World(protocol, name, seed, tuple(these))
        for seed in range(seeds)
        for protocol, settings in load(BASE).protocols.items()
        for name, these in changes.items()
        if settings.servers or not name.startswith("server")
    ]
    return {str(world): world for world in worlds}
