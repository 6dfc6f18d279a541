"""What is loaded before helpers are forked: all that they need, and no thread."""

import os
from collections.abc import Sequence
from multiprocessing.connection import Connection

import pytest

from models.training import TrainingSettings
from sim.compute.engines import worker
from sim.compute.processes import Processes
from sim.runs.training import Training
from sim.runs.worlds import player


def tell(connection: Connection) -> None:
    """How many threads the server has that forked this process."""
    connection.send(len(os.listdir(f"/proc/{os.getppid()}/task")))


SETTINGS = TrainingSettings(
    optimizer="sgd", learning_rate=0.1, batch_size=8, local_epochs=1, arithmetic="batched"
)
PRELOADED = {
    "workers": [worker.__name__, *Training((SETTINGS,)).preload],
    "players": [player.__name__],
}


@pytest.mark.slow
@pytest.mark.parametrize("modules", PRELOADED.values(), ids=list(PRELOADED))
def test_the_server_that_forks_has_one_thread(modules: Sequence[str]) -> None:
    processes = Processes(modules)
    try:
        connection = processes.start(f"{__name__}:tell").connection
        assert connection.poll(60) and connection.recv() == 1
    finally:
        processes.close()
