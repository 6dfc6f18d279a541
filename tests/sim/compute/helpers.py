"""What helper processes do in tests."""

import os
import sys
import time
from multiprocessing.connection import Connection


def obey(connection: Connection) -> None:
    """Do what comes, until nobody is there: end with a code, fail, sleep, or tell of oneself."""
    while True:
        try:
            wish, value = connection.recv()
        except EOFError:
            return
        if wish == "end":
            os._exit(value)
        if wish == "fail":
            raise ValueError(value)
        if wish == "sleep":
            time.sleep(value)
        connection.send((os.getppid(), value in sys.modules, os.environ["OMP_NUM_THREADS"]))
