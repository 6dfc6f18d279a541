"""What a worker process runs: the operations that come over a connection, until nobody is there.

It is started as a file, with two descriptors, and imports nothing of the program that started it:
that may be a notebook, or a script without a main guard.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.compute.engines.engine import DataPlane
    from sim.compute.store.vectors import Vectors

READY = "ready"
"""What a worker says once, when it can be given operations."""


def main() -> None:
    """Serve whoever started this process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business.
    connection, lifeline = (Connection(int(descriptor)) for descriptor in sys.argv[1:])
    threading.Thread(target=_end_with, args=(lifeline,), daemon=True).start()
    # Before anything of ours is imported: it is found where the parent has found it.
    sys.path[:] = connection.recv()
    plane, vectors = connection.recv()
    _serve(connection, plane, vectors)


def _end_with(lifeline: Connection) -> None:
    """Whatever kills the parent: no orphan trains on."""
    lifeline.poll(None)  # Nobody writes there, so it is the end.
    os._exit(1)


def _serve(connection: Connection, plane: DataPlane, vectors: Vectors) -> None:
    import torch

    from sim.compute.engines.workshop import Workshop

    # Before the first operation is read, which may be of code that only the plane brings.
    workshop = Workshop(plane, vectors)
    torch.set_num_threads(1)
    try:
        connection.send(READY)
        while True:
            connection.send(workshop.results(connection.recv()))
    except (EOFError, OSError):
        return


if __name__ == "__main__":
    main()
