"""A graph of a million operations: what it costs to name, demand and schedule, and its memory."""

import asyncio
import multiprocessing
import resource
import time
from concurrent.futures import ProcessPoolExecutor

import pytest

from sim.compute import Graph, Lineage, Models, Pretence, Store

pytestmark = pytest.mark.benchmark
CLIENTS, PENDING = 1_000, 50_000


def measured(rounds: int) -> tuple[int, float, float]:
    """Operations computed, processor seconds, and the peak of memory in MiB."""

    async def scene() -> int:
        held = Models()
        graph = Graph(Pretence(), Store(None, 0, held, print), held, pending_limit=PENDING)
        models = Lineage(graph, None, "n")
        current = [models.initial()] * CLIENTS
        for number in range(rounds):
            # Each merges with its neighbour and trains, as a protocol would have it.
            merged = [
                models.combined((current[i], current[i - 1]), (0.5, 0.5)) for i in range(CLIENTS)
            ]
            current = [models.trained(merged[i], i, number) for i in range(CLIENTS)]
            last = [models.scored(model) for model in current]
            await graph.throttle()
        await asyncio.gather(*last)
        return graph.computed

    started_s = time.process_time()
    computed = asyncio.run(scene())
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return computed, time.process_time() - started_s, peak_mib


def test_memory_of_a_million_operations() -> None:
    peaks = []
    for rounds in (35, 350):
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
            computed, cpu_s, peak_mib = pool.submit(measured, rounds).result()
        peaks.append(peak_mib)
        print(
            f"\n{computed:,} operations: {cpu_s:.1f} s of processor, "
            f"{1e6 * cpu_s / computed:.0f} us each, peak {peak_mib:.0f} MiB"
        )
    assert computed > 1_000_000
    # Ten times the operations: what grows is their names, not what is pending.
    assert peaks[1] - peaks[0] < 400
