"""Names, demands and schedules the operations of a sweep, and does none: `operations.py COUNT`.

Prints as JSON how many were done, and what that took; of whichever revision is on the path.
"""

import asyncio
import json
import resource
import sys
import time
from typing import Any

from sim.compute import Graph, Lineage, ModelRef, Models, Pretence, Store

CLIENTS, ROUNDS, LOOK_EVERY = 20, 50, 5
PREFIX = 10
"""Rounds that a run has in common with the others of its seed."""
RUNS_PER_SEED = 8


def run_of(models: Lineage, number: int) -> list[Any]:
    """One run: each client merges with two others and trains; every look scores them all."""
    # By name, where scores can be had by name.
    look_at = getattr(models, "demanded", models.scored)
    current, looks = [models.initial()] * CLIENTS, []
    for local_round in range(ROUNDS):
        step = 1 if local_round < PREFIX else 2 + number
        merged = [_merged(models, current, client, step) for client in range(CLIENTS)]
        current = [models.trained(each, i, local_round) for i, each in enumerate(merged)]
        if local_round % LOOK_EVERY == LOOK_EVERY - 1:
            looks += [look_at(model) for model in current]
    return looks


def _merged(models: Lineage, current: list[ModelRef], client: int, step: int) -> ModelRef:
    chosen = sorted({client, client - 1, (client + step) % CLIENTS - CLIENTS})
    share = 1 / len(chosen)
    return models.combined(tuple(current[i] for i in chosen), (share,) * len(chosen))


async def sweep(count: int) -> tuple[int, int]:
    """Play runs until more than `count` operations are done; those named, and those done."""
    held = Models()
    graph = Graph(Pretence(), Store(None, 0, held, print), held)
    number, looks = 0, []
    while graph.computed < count:
        seed, run = divmod(number, RUNS_PER_SEED)
        looks += run_of(Lineage(graph, None, str(seed)), run)
        await graph.throttle()
        number += 1
    for look in looks:
        await (graph.scores(look) if isinstance(look, str) else look)
    return graph.asked - graph.shared, graph.computed


def main(count: int) -> None:
    """Measure the sweep in this process."""
    import_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    started_s = time.process_time()
    named, done = asyncio.run(sweep(count))
    cpu_s = time.process_time() - started_s
    peak_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    own_bytes = 1024 * (peak_kib - import_kib)
    print(json.dumps({"named": named, "done": done, "cpu_s": cpu_s, "bytes": own_bytes}))


if __name__ == "__main__":
    main(int(sys.argv[1]))
