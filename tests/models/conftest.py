"""What all tests of the data plane share: one thread, as in every worker, and any algorithm."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _any_algorithm() -> Iterator[None]:
    """What a CUDA device asks of the whole process ends with the test that asked for one."""
    yield
    torch.use_deterministic_algorithms(False)
