"""What tests ask for that have hosts: root on Linux. Elsewhere they are skipped with a word."""

import os
from collections.abc import Iterator

import pytest

from tests.reality.alone import alone
from tests.reality.network.hosts import PRIORITY
from tests.reality.network.namespace import missing


@pytest.fixture(scope="session")
def namespaces() -> None:
    """There are network namespaces here."""
    if reason := missing():
        pytest.skip(f"no hosts in namespaces here: {reason}")


@pytest.fixture
def undisturbed(namespaces: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No other test of times runs meanwhile."""
    with alone(tmp_path_factory):
        yield


@pytest.fixture
def punctual(undisturbed: None) -> Iterator[None]:
    """The test isn't kept waiting by what else runs on the machine, as hosts' processes aren't."""
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(PRIORITY))
    except PermissionError:
        pytest.skip("times are not to be relied on where nobody may be served first")
    yield
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
