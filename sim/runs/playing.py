"""One protocol under one seed, played on virtual time: the control plane from start to end."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pyarrow as pa

from sim.compute import Lineage, ModelRef, Unlearned
from sim.record.metrics import LabelShares
from sim.record.rows import FinalModel, RunRecord
from sim.results.folder import RunTables, run_tables
from sim.runs.build import Facts, build
from sim.runs.observer import Found, Look, Observer, score_rows
from sim.scenario import Scenario
from sim.world import World


@dataclass(frozen=True)
class Run:
    """One protocol under one seed, and what is known of its learner."""

    scenario: Scenario
    protocol: str
    seed: int
    facts: Facts


@dataclass(frozen=True)
class RunProgress:
    """How far one run's clock is."""

    run: str
    """For example `fedavg seed 0`."""
    virtual_s: float
    duration_s: float
    local_rounds: int
    """Finished on virtual time."""
    up: int
    down: int


@dataclass
class Played:
    """A run whose clock has ended; its scores come when the real work is done.

    `final`: the models to keep, which the store holds as long as they are here. `asked`,
    `steps_asked`: operations that it named, and their optimiser steps.
    """

    record: RunRecord
    traces: pa.Table
    looks: list[Look]
    final: list[tuple[FinalModel, ModelRef]]
    asked: int
    steps_asked: int
    _tables: asyncio.Future[RunTables] | None = field(default=None, init=False)

    async def tables(self, found: Found, label_shares: LabelShares | None) -> RunTables:
        """The run's tables, made once. Raises ComputeError if a real operation failed."""
        if self._tables is None:
            self._tables = asyncio.ensure_future(self._made(found, label_shares))
        return await self._tables

    async def _made(self, found: Found, label_shares: LabelShares | None) -> RunTables:
        record = self.record
        scores = await score_rows(self.looks, found, record.protocol, record.seed, label_shares)
        self.looks = []
        return run_tables(record, scores, self.traces)


def unlearned(scenario: Scenario) -> Lineage:
    """What models are named by where nobody learns."""
    return Unlearned(next(iter(scenario.task.directions)))


async def play(
    run: Run,
    lineage: Lineage,
    between: Callable[[RunProgress], Awaitable[None]],
    *,
    stops: bool = True,
) -> Played:
    """Run the control plane of one run to its end.

    `between` is awaited now and then: it may hold the clock back while real work catches up.
    `stops`: whether `stop_when` may end it, for which it needs numbers.
    Raises ComputeError if the clock waited for a number (`stop_when`) that can't be computed.
    """
    scenario, protocol, seed = run.scenario, run.protocol, run.seed
    world, running = build(scenario, protocol, seed, lineage, run.facts)
    observer = Observer(world, running, scenario, stops=stops)

    def progress() -> RunProgress:
        return _progress(world, protocol, seed, scenario.duration)

    await world.clock.run_until(scenario.duration, throttle=lambda: between(progress()))
    in_flight = world.network.end()
    await between(progress())
    record = RunRecord(
        protocol, seed, world.clock.now, world.clock.events, _counters(world, in_flight)
    )
    final = [
        (_final_model(protocol, seed, look, model), model)
        for look, model in observer.latest
        if scenario.output.keeps(look.stage)
    ]
    named = lineage.named, lineage.steps_named
    return Played(record, world.trace.table(), observer.looks, final, *named)


def _progress(world: World, protocol: str, seed: int, duration_s: float) -> RunProgress:
    down = world.network.up.zeros  # Counting them anew takes longer than all events since.
    return RunProgress(
        run=f"{protocol} seed {seed}",
        virtual_s=world.clock.now,
        duration_s=duration_s,
        local_rounds=world.trace.counts["train"],
        up=len(world.network.numbers) - down,
        down=down,
    )


def _final_model(protocol: str, seed: int, look: Look, model: ModelRef) -> FinalModel:
    return FinalModel(
        protocol,
        seed,
        look.node,
        look.stage or "",
        look.local_round,
        look.version,
        look.time_s,
        model.name,
    )


def _counters(world: World, in_flight: int) -> dict[str, int]:
    tally, counts = world.network.tally, world.trace.counts
    return {
        "messages_sent": tally.sent,
        "messages_delivered": tally.delivered,
        "messages_in_flight": in_flight,
        **{f"messages_lost_{cause}": tally.lost[cause] for cause in sorted(+tally.lost)},
        "bytes_delivered": tally.bytes_delivered,
        "most_flows_at_once": world.network.flows.most_running,
        "local_rounds": counts["train"],
        "local_rounds_lost": counts["train_lost"],
    }
