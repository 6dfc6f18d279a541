"""The control plane alone at scale, with a learner that names models and computes none.

Each measurement runs in a process of its own, so that its peak of memory is its own, too. Times
are processor seconds: the machine may be shared.
"""

import asyncio
import itertools
import multiprocessing
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from sim.compute import Graph, Lineage, Models, Pretence, ScoreRef, Store
from sim.runs.build import Facts, build
from sim.runs.observer import Observer
from sim.scenario import Scenario, load
from sim.world.node import Behaviour
from sim.world.world import World

pytestmark = pytest.mark.benchmark
ROUNDS = 5
LOOK_S = 60.0
SMALL, LARGE = 5_000, 250_000
"""Numbers in a model: those of a small network, and as many as make transfers share links."""


@dataclass(frozen=True)
class Measured:
    """What one run to `ROUNDS` local rounds per client, on average, took."""

    clients: int
    cpu_s: float
    peak_mib: float
    local_rounds: int
    what: str

    @property
    def round_ms(self) -> float:
        """Processor time per local round."""
        return 1e3 * self.cpu_s / self.local_rounds


class Naming(Graph):
    """Names models and scores; what is demanded is never computed."""

    def demand(self, score: ScoreRef, *, urgent: bool = False) -> asyncio.Future[dict[str, float]]:
        """No future comes of it."""
        return asyncio.get_running_loop().create_future()


def naming_lineage() -> Lineage:
    """The only place here that knows how one is made."""
    return Lineage(Naming(Pretence(), Store(None, 0, (), print), Models()), None, "benchmark")


def described(clients: int, sharing: str, peers: str) -> Scenario:
    return load(
        "churn",
        [
            f"clients.count={clients}",
            f"protocols={{braintorrent: {{peers: {peers}, max_senders: 20}}}}",
            f"network.sharing={sharing}",
            "duration=10 h",
            f"evaluation={{every: {LOOK_S} s}}",
        ],
    )


async def ran(scenario: Scenario, facts: Facts) -> World:
    """The world in which the clients have finished `ROUNDS` local rounds each on average."""
    world, running = build(scenario, "braintorrent", 0, naming_lineage(), facts)
    Observer(world, running, scenario)

    def stop() -> Behaviour:
        while world.trace.counts["train"] < ROUNDS * scenario.clients.count:
            yield world.clock.after(5.0)
        world.clock.stop()

    world.clock.process(stop())
    await world.clock.run_until(scenario.duration)
    world.network.end()
    return world


def measure(clients: int, sharing: str, peers: str, numbers: int) -> Measured:
    scenario = described(clients, sharing, peers)
    facts = Facts((100,) * clients, (10,) * clients, 100 * clients, 10 * clients, numbers)
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    world = asyncio.run(ran(scenario, facts))
    wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
    counts = world.trace.counts
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Measured(
        clients,
        cpu_s,
        peak_mib,
        counts["train"],
        f"{clients:,} clients, peers {peers}, {sharing}, {numbers:,} numbers: "
        f"{cpu_s:.1f} s of processor, {wall_s:.1f} s of wall, peak {peak_mib:.0f} MiB, "
        f"{world.clock.events:,} events, {counts['train']:,} local rounds, "
        f"{counts['transfer']:,} transfers, {world.network.flows.most_running:,} flows at once "
        f"at most, {world.network.tally.sent:,} messages",
    )


def apart(*arguments: Any) -> Measured:
    """The measurement, printed, from a fresh process."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as pool:
        measured = pool.submit(measure, *arguments).result()
    print(f"\n{measured.what}, {measured.round_ms:.2f} ms per local round", flush=True)
    return measured


def test_clients_that_ping_all() -> None:
    """Time per local round grows no faster than the number of peers pinged."""
    runs = [apart(clients, "none", "all", SMALL) for clients in (1_000, 3_000, 10_000)]
    for fewer, more in itertools.pairwise(runs):
        assert more.round_ms / fewer.round_ms < more.clients / fewer.clients
    assert runs[-1].cpu_s < 240
    assert runs[-1].peak_mib < 4096


@pytest.mark.parametrize("numbers", [SMALL, LARGE])
@pytest.mark.parametrize(("clients", "sharing"), [(2_000, "equal"), (200, "max_min")])
def test_clients_that_share_links(clients: int, sharing: str, numbers: int) -> None:
    measured = apart(clients, sharing, "50", numbers)
    assert measured.cpu_s < 240
    assert measured.peak_mib < 1024


async def server_round(clients: int) -> float:
    """Processor seconds of the first server round, whose transfers all cross the server's links."""
    scenario = load(
        "no_faults",
        [
            f"clients.count={clients}",
            "protocols={fedavg: {deadline: 20 min}}",
            "network.sharing=equal",
        ],
    )
    facts = Facts((100,) * clients, (10,) * clients, 100 * clients, 10 * clients, LARGE)
    world, _ = build(scenario, "fedavg", 0, naming_lineage(), facts)
    cpu_s = time.process_time()
    await world.clock.run_until(120.0)
    cpu_s = time.process_time() - cpu_s
    print(f"\n{clients:,} clients of a server, equal: {cpu_s:.2f} s of processor", flush=True)
    return cpu_s


def test_a_server_whose_links_are_shared_equally() -> None:
    """Four times the clients cost far less than the sixteen times of walking flow by flow."""
    few, many = (asyncio.run(server_round(clients)) for clients in (500, 2_000))
    assert many / few < 12
