"""Worlds of one name can't be told apart, and those that can't differ mostly have one name."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from braintorrent.testing.counters import Counters
from braintorrent.testing.tiny import run
from braintorrent.testing.trials import Trial
from braintorrent.testing.worlds import RandomWorld
from sim.faults.crash import Crash
from sim.protocols import PROTOCOLS
from sim.protocols.local import Local
from sim.record.errors import ScenarioError
from sim.runs.build import build
from sim.runs.worlds.names import Reading
from sim.world import Behaviour, Tie
from sim.world.detection import Perfect
from tests import worlds

MANY = 4
LASTS_S = 15.0
PARTS = ("failure_detection", "server", "topology", "duration", "evaluation")
LINKS = {"uplink": "3 kB/s", "downlink": "3 kB/s", "packet_loss": 0.3}


def others(world: RandomWorld, another: RandomWorld) -> Iterator[tuple[str, RandomWorld]]:
    """The world with each of its parts in turn as `another` has it, or more or fewer faults."""

    def changed(**parts: Any) -> RandomWorld:
        return replace(world, sections={**world.sections, **parts})

    for part in PARTS:
        yield part, changed(**{part: another.sections[part]})
    yield "network", changed(network=world.sections["network"] | LINKS)
    yield "clients", changed(clients=world.sections["clients"] | {"merge_time": "1 s"})
    yield "suspicions", changed(evaluation=world.sections["evaluation"] | {"suspicions": True})
    here, there = world.sections["faults"], another.sections["faults"]
    for name in here:
        yield "a fault less", changed(faults={key: here[key] for key in here if key != name})
        yield "other faults' order", changed(faults={name: here[name], **here})
        yield "a fault's name", changed(faults={f"{key}_": one for key, one in here.items()})
    for name, fault in there.items():
        yield "a fault more", changed(faults={**here, f"more_{name}": fault})
        yield "a fault first", changed(faults={f"more_{name}": fault, **here})
    for at in ("5 s", "20 s"):
        crash = {"kind": "crash", "node": "server", "at": at, "recovers_after": "5 s"}
        yield "a server's crash", changed(faults={**here, "crash": crash})


def name(trial: Trial) -> str:
    return Reading(trial.scenario).world("it", trial.world.luck, repr(trial.world.facts))


def met(trial: Trial) -> tuple[Any, ...]:
    """All that anybody sees of a world: its trace, its events, its tally, its models."""
    scenario, facts = trial.scenario, trial.world.facts
    lineage = Counters(scenario.clients.count)
    world, running = build(scenario, "it", trial.world.luck, lineage, facts)
    seen: list[Any] = []

    def looks() -> Behaviour:
        while True:
            for one in running.seen():
                seen.append((*one[:2], *one[3:], lineage.told(one.model)))
            yield world.clock.after(scenario.evaluation.every, Tie.OBSERVER)

    world.clock.process(looks())
    run(world.clock, scenario.duration)
    in_flight = world.network.end()
    return world.trace.rows, world.clock.events, world.network.tally, in_flight, seen


def pairs(kind: str, number: int) -> Iterator[tuple[str, Trial, Trial]]:
    """A world, and the same with one part changed, that both can be played."""
    try:
        trial = worlds.trial(kind, 5, number, LASTS_S)
        another = worlds.trial(kind, 6, number, LASTS_S).world
    except ScenarioError:
        return
    for what, world in others(trial.world, another):
        changed = replace(trial, world=world)
        try:
            changed.scenario  # noqa: B018
        except ScenarioError:
            continue
        yield what, trial, changed


def same(kind: str, numbers: range) -> Counter[str]:
    """By changed part how often the name stayed; equal names must be of equal worlds."""
    kept: Counter[str] = Counter()
    for number in numbers:
        before = None
        for what, trial, changed in pairs(kind, number):
            if name(trial) == name(changed):
                kept[what] += trial.scenario != changed.scenario
                before = before or met(trial)
                assert met(changed) == before, (kind, number, what)
    return kept


@pytest.mark.parametrize("kind", ["braintorrent", "fedavg", "local", "pooled"])
def test_worlds_of_one_name_are_the_same(kind: str) -> None:
    kept = same(kind, range(1))
    if not PROTOCOLS[kind].needs_server:
        assert kept["server"] and kept["a server's crash"]
    assert PROTOCOLS[kind].uses_network != bool(kept["network"] and kept["failure_detection"])


@pytest.mark.slow
@pytest.mark.parametrize("kind", PROTOCOLS)
def test_many_worlds_of_one_name_are_the_same(kind: str) -> None:
    kept = same(kind, range(1, MANY))
    assert PROTOCOLS[kind].uses_topology or kept["topology"]
    assert PROTOCOLS[kind].needs_server or kept["server"]


class Own(Local):
    """A user's, which may read what the kind that it inherits from doesn't."""


class OwnCrash(Crash):
    """As above."""


class OwnDetector(Perfect):
    """As above."""


def test_a_users_own_kinds_read_whatever_there_is() -> None:
    trial = next(pairs("local", 0))[1]
    own = replace(trial, protocol=Own(kind="local"))
    fault = OwnCrash.model_validate({"kind": "crash", "node": "server", "at": "1 s"})
    struck = replace(trial, faults={"own": fault})
    told: dict[str, Any] = {"failure_detection": OwnDetector(kind="perfect")}
    finding = replace(trial, world=replace(trial.world, sections={**trial.world.sections, **told}))
    for one in (own, struck, finding):
        names = {name(replace(one, world=world)) for _, world in others(one.world, one.world)}
        assert len(names) > 1
        server = one.world.sections["server"] | {"checkpoint_every": 7}
        other = replace(one.world, sections={**one.world.sections, "server": server})
        assert name(replace(one, world=other)) != name(one)
