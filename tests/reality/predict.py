"""What the simulator says of a world."""

import asyncio

from sim.record.rows import TraceRow
from sim.runs.playing import RunProgress, play, unlearned
from tests.reality.plan import Plan
from tests.reality.worlds import World


def predicted(world: World, transport: str) -> list[TraceRow]:
    """The trace of the world, played with one of the transports, in the order of ends."""
    scenario = world.scenario(transport)
    run = Plan(scenario, world.protocol).run
    played = asyncio.run(play(run, unlearned(scenario), _go_on))
    return [TraceRow(**row) for row in played.traces.to_pylist()]


async def _go_on(progress: RunProgress) -> None:
    """Nothing holds the clock back."""
