"""These need root on Linux; elsewhere they are skipped with a word."""

import os
from collections.abc import Iterator

import pytest

from tests.reality.network.hosts import PRIORITY
from tests.reality.network.namespace import missing
from tests.reality.network.switch import served_first


@pytest.fixture(scope="session", autouse=True)
def network_namespaces() -> None:
    if reason := missing():
        pytest.skip(f"no hosts in namespaces here: {reason}")


@pytest.fixture(autouse=True)
def punctual() -> Iterator[None]:
    """The test isn't kept waiting by what else runs on the machine, as hosts' processes aren't."""
    served_first(0, PRIORITY)
    yield
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
