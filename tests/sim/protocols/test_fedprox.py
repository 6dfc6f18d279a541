"""FedProx is FedAvg with `training.proximal`: without a pull to the last bit, with one not."""

import asyncio

import numpy as np

from models.parameters import Vector
from tests.sim import tiny
from tests.sim.protocols.learning import simulated
from tests.sim.protocols.serving import LATENCY, SERVER

LINKS = {"uplink": "1 MB/s", "downlink": "1 MB/s"}


def trained(**training: float) -> Vector:
    described = tiny.scenario(
        LATENCY,
        (1.0, 2.25),
        {"fedavg": {"training": training}},
        links=LINKS,
        server=SERVER | LINKS,
        task={"name": "digits", "partition": {"kind": "dirichlet", "alpha": 0.5}},
        model={"name": "mlp", "hidden": []},
        training={"learning_rate": 0.05, "batch_size": 128, "local_steps": 3},
    )
    return asyncio.run(simulated(described, "fedavg", 2))


def test_without_a_pull_it_is_fedavg() -> None:
    plain = trained()
    assert np.array_equal(trained(proximal=0.0), plain)
    assert np.abs(trained(proximal=1.0) - plain).max() > 1e-4
