"""Worlds of a hundred thousand clients: time and memory grow with what happens, not with pairs.

Each measurement runs in a process of its own. Times are processor seconds.
"""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from sim.compute import Unlearned
from sim.runs.build import Facts, build
from sim.runs.observer import Observer
from sim.scenario import load
from sim.world.node import Behaviour
from tests.benchmarks.before import ROOT, checkout

pytestmark = pytest.mark.benchmark
BEFORE = "8e9337e"
"""The last revision with n by n latencies."""
ROUNDS = 5
_TOLD = """
import json, resource, time
began = time.process_time()
rounds = {call}
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
print(json.dumps([time.process_time() - began, peak, rounds]))
"""


def apart(call: str, imports: str, root: Path = ROOT) -> tuple[float, float]:
    """Milliseconds of processor time per local round, and GiB at most, of a fresh process."""
    script = f"{imports}\n{_TOLD.format(call=call)}"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=root, check=True, capture_output=True, text=True
    )
    cpu_s, peak_gib, rounds = json.loads(done.stdout.splitlines()[-1])
    print(f"\n{call}: {cpu_s:.0f} s, {rounds:,} local rounds, {peak_gib:.2f} GiB", flush=True)
    return 1e3 * cpu_s / rounds, peak_gib


def internet(clients: int, rounds: float = ROUNDS) -> int:
    """Play the scenario until the clients have finished so many local rounds each on average."""
    scenario = load("internet", [f"clients.count={clients}"])
    facts = Facts((1,) * clients, (20,) * clients, clients, 20 * clients, 3_500_000)
    lineage = Unlearned(next(iter(scenario.task.directions)))
    world, running = build(scenario, "braintorrent", 0, lineage, facts)
    Observer(world, running, scenario)

    def stop() -> Behaviour:
        while world.trace.counts["train"] < rounds * clients:
            yield world.clock.after(5.0)
        world.clock.stop()

    world.clock.process(stop())
    asyncio.run(world.clock.run_until(scenario.duration))
    world.network.end()
    return world.trace.counts["train"]


def test_a_hundred_thousand_clients() -> None:
    """A local round takes hardly longer among a hundred thousand clients than among a thousand."""
    imports = "from tests.benchmarks.test_scale import internet"
    few, _, many = (apart(f"internet({clients})", imports) for clients in (1000, 10_000, 100_000))
    assert many[0] < 1.5 * few[0]
    assert many[0] * ROUNDS * 100_000 < 15 * 60 * 1000
    assert many[1] < 6


def test_clients_that_ping_all_against_a_table_of_pairs(tmp_path: Path) -> None:
    """Half of the time, and a quarter of the memory."""
    imports = "from tests.benchmarks.test_control_plane import measure"
    call = "measure(10_000, 'none', 'all', 5000).local_rounds"
    ours, before = (
        apart(call, imports, root) for root in (ROOT, checkout(BEFORE, tmp_path / "before"))
    )
    assert ours[0] < 0.5 * before[0]
    assert ours[1] < 0.25 * before[1]
