"""What protocols with a server come to in numbers, by the real learner."""

from models.parameters import Vector
from sim.compute import Graph, Models, engine_for
from sim.protocols.shared.participants import Participants
from sim.runs.build import build
from sim.runs.data import Data
from sim.runs.training import Training
from sim.scenario import Scenario
from tests.sim.compute.small import memory


async def simulated(described: Scenario, protocol: str, rounds: int, seed: int = 5) -> Vector:
    """The global model after so many server rounds; each must take longer than a second."""
    data, store = Data(), memory()
    engine = engine_for(0, Training(), store.vectors)
    try:
        lineage = data.lineage(Graph(engine, store, Models()), described, protocol, seed)
        facts = data.facts(described, protocol, seed)
        world, running = build(described, protocol, seed, lineage, facts)
        assert isinstance(running, Participants)
        while running.server_round < rounds:
            await world.clock.run_until(world.clock.now + 1.0)
        assert running.server_round == rounds
        await lineage.scored(running.global_model)
        return store.vectors.read(running.global_model.name)
    finally:
        await engine.close()
