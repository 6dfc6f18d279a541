"""One test of times after the other, in however many processes pytest runs its tests."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def alone(folders: pytest.TempPathFactory) -> Iterator[None]:
    """Nobody else is in here meanwhile."""
    with (folders.getbasetemp().parent / "times.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
