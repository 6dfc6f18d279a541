"""Control planes alone, in a process of their own: `python events.py CASE...` in any revision.

For each case a line of JSON: processor seconds from build to end, and the clock's events.
"""

import asyncio
import json
import sys
import time

import pandas  # noqa: F401, since pyarrow imports it when it first packs rows: no event's cost.

from sim.runs.build import Facts, build
from sim.runs.observer import Observer
from sim.scenario import Scenario, load
from tests.benchmarks.test_control_plane import naming_lineage

NUMBERS = 5_000
"""Of a small network's model."""
THOUSAND = [
    "clients.count=1000", "duration=4 min", "network.sharing=equal", "evaluation={every: 2 min}",
]  # fmt: skip
CASES = {
    "server_crash": ("server_crash", [], ("braintorrent", "fedavg", "pooled", "local")),
    "gossip": ("alternatives", ["protocols={gossip: {period: 5 s}}"], ("gossip",)),
    "1,000 of a server": (
        "churn", [*THOUSAND, "protocols={fedavg: {deadline: 2 min}}"], ("fedavg",),
    ),
    "1,000 peers": (
        "churn", [*THOUSAND, "protocols={braintorrent: {peers: 20, max_senders: 5}}"],
        ("braintorrent",),
    ),
}  # fmt: skip
"""A shipped scenario, what is changed in it, and the protocols that play it."""


async def play(scenario: Scenario, protocol: str, seed: int) -> int:
    """How many events a run comes to."""
    clients = scenario.clients.count
    facts = Facts((100,) * clients, (10,) * clients, 100 * clients, 10 * clients, NUMBERS)
    world, running = build(scenario, protocol, seed, naming_lineage(), facts)
    Observer(world, running, scenario)
    await world.clock.run_until(scenario.duration)
    world.network.end()
    return world.clock.events


def measured(case: str) -> tuple[float, int]:
    """Processor seconds, and events."""
    name, changes, protocols = CASES[case]
    scenario = load(name, changes)
    asyncio.run(play(load(name, [*changes, "duration=30 s"]), protocols[0], 1))  # What is imported.
    began_s = time.process_time()
    events = sum(asyncio.run(play(scenario, protocol, 0)) for protocol in protocols)
    return time.process_time() - began_s, events


if __name__ == "__main__":
    for case in sys.argv[1:] or CASES:
        print(json.dumps([case, *measured(case)]), flush=True)
