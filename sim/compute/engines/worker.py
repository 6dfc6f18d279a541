"""What a worker process does: the operations that come over a connection, until nobody is there."""

from multiprocessing.connection import Connection

from sim.compute.engines.engine import one_thread
from sim.compute.engines.workshop import Workshop

READY = "ready"
"""What a worker says once, when it can be given operations."""


def work(connection: Connection) -> None:
    """Receive a data plane and the vectors' place, and then groups of jobs; send their results."""
    try:
        # Before the first operation is read, which may be of code that only the plane brings.
        workshop = Workshop(*connection.recv())
        with one_thread():
            connection.send(READY)
            while True:
                connection.send(workshop.results(connection.recv()))
    except (EOFError, OSError):
        return
