"""The control plane alone at a thousand clients, with a learner that is never asked."""

from __future__ import annotations

import asyncio
import resource
import time

import pytest

from sim.build import Facts, build
from sim.compute import Graph
from sim.node import Behaviour
from sim.scenario import load
from sim.world import World

pytestmark = pytest.mark.benchmark
ROUNDS = 10


def measured(clients: int, sharing: str) -> tuple[float, World]:
    """Wall seconds until the clients have finished `ROUNDS` local rounds each on average."""
    scenario = load(
        "churn",
        [
            f"clients.count={clients}",
            "protocols={braintorrent: {max_senders: 10}}",
            f"network.sharing={sharing}",
            "network.uplink=100 Mbit/s",
            "network.downlink=100 Mbit/s",
            "duration=10 h",
            "evaluation.every=10 h",
        ],
    )
    facts = Facts((100,) * clients, (10,) * clients, 100 * clients, 10 * clients, 5_000)

    async def run() -> tuple[float, World]:
        started = time.perf_counter()
        # The engine is never asked: nothing is scored.
        graph = Graph(None, "benchmark", engine=None)  # type: ignore[arg-type]
        world, _ = build(scenario, "braintorrent", 0, graph, facts)

        def stop() -> Behaviour:
            while world.trace.counts["train"] < ROUNDS * clients:
                yield world.clock.after(5.0)
            world.clock.stop()

        world.clock.process(stop())
        await world.clock.run_until(scenario.duration)
        world.network.end()
        return time.perf_counter() - started, world

    return asyncio.run(run())


@pytest.mark.parametrize(
    ("clients", "sharing", "limit_s"), [(1_000, "equal", 120), (1_000, "max_min", 120)]
)
def test_clients_that_ping_all_and_fetch_from_ten(
    clients: int, sharing: str, limit_s: float
) -> None:
    wall_s, world = measured(clients, sharing)
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    counts, flows = world.trace.counts, world.network.flows
    print(
        f"\n{clients} clients, {sharing}: {wall_s:.1f} s, peak {peak_mib:.0f} MiB, "
        f"{world.clock.events:,} events, {counts['train']:,} local rounds, "
        f"{counts['transfer']:,} transfers, {flows.most_running} flows at once at most, "
        f"{world.network.tally.sent:,} messages"
    )
    assert wall_s < limit_s
    assert peak_mib < 1024
