"""Where tensors live, and what is said where there is no such device."""

from __future__ import annotations

import pytest
import torch

from models.bits.devices import described, device
from sim.record.errors import Refusal

without_cuda = pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")


def test_the_cpu_is_always_there_and_nothing_is_asked_of_it() -> None:
    assert device("cpu") == torch.device("cpu")
    assert described("cpu") == "cpu"
    assert not torch.are_deterministic_algorithms_enabled()


@without_cuda
def test_auto_is_the_cpu_where_there_is_nothing_else() -> None:
    assert device("auto") == torch.device("cpu")
    assert described("auto") == described("cpu")


@without_cuda
def test_a_device_that_is_not_there_is_refused() -> None:
    with pytest.raises(Refusal, match="no CUDA device.*; allowed: cpu, auto") as refusal:
        device("cuda")
    assert refusal.value.path == ("training", "device")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_repeats_its_bits() -> None:
    assert device("auto") == torch.device("cuda")
    assert torch.are_deterministic_algorithms_enabled()
    assert torch.cuda.get_device_name() in described("cuda")
