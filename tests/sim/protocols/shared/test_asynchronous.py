"""What FedAsync and FedBuff come to in numbers, against loops that know nothing of a simulator.

Messages take no time. Client i adds i + 1 to what it is given.
"""

import asyncio
import heapq
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from sim.compute import Lineage
from sim.protocols.shared.participants import Participants
from sim.runs.build import Facts, build
from tests.sim import tiny
from tests.sim.compute.small import at_work

ROUND_S = (1.0, 1.13, 1.37, 1.71)  # So that no two are ever done at once.
CLIENTS, UNTIL_S = len(ROUND_S), 11.9
FAST = {"uplink": "1 GB/s", "downlink": "1 GB/s"}


async def simulated(protocol: str, settings: dict[str, Any]) -> float:
    """The global model's parameter, as it is simulated."""
    here = [[0.0] * (CLIENTS + 1) for _ in range(CLIENTS + 1)]
    described = tiny.scenario(
        here,
        ROUND_S,
        {protocol: settings},
        links=FAST,
        server=FAST | {"aggregation_time": "0 s"},
    )
    async with at_work() as (graph, _, store):
        facts = Facts((1,) * CLIENTS, (1,) * CLIENTS, 1, 1, 0)
        world, running = build(described, protocol, 0, Lineage(graph, None, "small"), facts)
        await world.clock.run_until(UNTIL_S)
        assert isinstance(running, Participants)
        await graph.stored(running.global_model)
        return float(store.vectors.read(running.global_model.name)[0])


def fedasync(mixing: float) -> float:
    """Algorithm 1 of Xie et al., with s(d) = (1 + d) ^ -0.5."""
    model, rounds = 0.0, 0
    done = [(ROUND_S[client], client, model, rounds) for client in range(CLIENTS)]
    while done[0][0] < UNTIL_S:
        time_s, client, base, base_round = heapq.heappop(done)
        share = mixing * (1 + rounds - base_round) ** -0.5
        model = (1 - share) * model + share * (base + client + 1)
        rounds += 1
        heapq.heappush(done, (time_s + ROUND_S[client], client, model, rounds))
    return model


def fedbuff(buffer: int, rate: float) -> float:
    """Algorithms 1 and 2 of Nguyen et al., whose deltas weigh 1 / sqrt(1 + d)."""
    model, rounds, deltas = 0.0, 0, list[float]()
    done = [(ROUND_S[client], client, model, rounds) for client in range(CLIENTS)]
    while done[0][0] < UNTIL_S:
        time_s, client, base, base_round = heapq.heappop(done)
        deltas.append((base + client + 1 - base) / np.sqrt(1 + rounds - base_round))
        if len(deltas) == buffer:
            model, rounds, deltas = model + rate * sum(deltas) / buffer, rounds + 1, []
        heapq.heappush(done, (time_s + ROUND_S[client], client, model, rounds))
    return model


@pytest.mark.parametrize(
    ("protocol", "settings", "expected"),
    [
        ("fedasync", {"mixing": 0.6}, lambda: fedasync(0.6)),
        ("fedasync", {"mixing": 1.0}, lambda: fedasync(1.0)),
        ("fedbuff", {"buffer": 3}, lambda: fedbuff(3, 1.0)),
        ("fedbuff", {"buffer": 1, "learning_rate": 0.7}, lambda: fedbuff(1, 0.7)),
    ],
)
def test_equals_the_papers_loop(
    protocol: str, settings: dict[str, Any], expected: Callable[[], float]
) -> None:
    found = asyncio.run(simulated(protocol, settings))
    assert found == pytest.approx(expected(), rel=1e-6)
    assert found > 1.0
