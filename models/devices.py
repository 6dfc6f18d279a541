"""Where tensors live: the device that a scenario asks for, and what it needs to repeat its bits.

A room of its own so that nothing else in this tower knows that there is more than one kind.
"""

from __future__ import annotations

import os

import torch

from sim.record.settings.base import DataError


def device(name: str) -> torch.device:
    """The device called `name`: "cpu", "cuda", or "auto" for CUDA where there is one.

    A CUDA device is told to use deterministic algorithms only, in this whole process.
    Raises DataError if there is no such device.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda":
        if not torch.cuda.is_available():
            raise DataError(
                "this machine has no CUDA device that PyTorch can use; allowed: cpu, auto",
                ("training", "device"),
            )
        # cuBLAS repeats its bits only with a workspace of fixed size, and reads this when it
        # starts.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False
    return torch.device(name)


def described(name: str) -> str:
    """What decides bits about the device called `name`: its kind, and a CUDA device's make."""
    if device(name).type == "cpu":
        return "cpu"
    return f"cuda {torch.version.cuda} {torch.cuda.get_device_name()}"
