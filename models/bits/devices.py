"""Where tensors live: the device that a scenario asks for, and what it needs to repeat its bits."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from sim.record.errors import Refusal


def device(name: str) -> torch.device:
    """The device called `name`: "cpu", "cuda", or "auto" for CUDA where there is one.

    A CUDA device is told to use deterministic algorithms only, in this whole process.
    Raises Refusal if there is no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda":
        if not torch.cuda.is_available():
            what = "this machine has no CUDA device that PyTorch can use"
            raise Refusal(what, "cpu, auto", ("training", "device"))
        # cuBLAS repeats its bits only with a workspace of fixed size, and reads this when it
        # starts.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False
        # Else convolutions round their factors to 10 bits (TF32): float32 in name only.
        torch.backends.cudnn.allow_tf32 = False
    return torch.device(name)


def described(name: str) -> str:
    """What decides bits about the device called `name`: its kind, and a CUDA device's make."""
    if device(name).type == "cpu":
        return "cpu"
    return f"cuda {torch.version.cuda} {torch.cuda.get_device_name()}"


@contextmanager
def drawing(seed: int, on: torch.device) -> Iterator[None]:
    """Let random layers draw what `seed` decides, and leave torch's generators as they were."""
    # `torch.manual_seed` and `torch.random.fork_rng` do the same in several times the time.
    generators = [torch.default_generator]
    if on.type == "cuda":
        generators.append(torch.cuda.default_generators[torch.cuda.current_device()])
    before = [each.get_state() for each in generators]
    try:
        for each in generators:
            each.manual_seed(seed)
        yield
    finally:
        for each, state in zip(generators, before, strict=True):
            each.set_state(state)
