"""What decides the bits of a model beside its description, in words that people can compare.

A room of its own because it serves people: `fingerprint` is what names hold.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence

import torch

from models.fingerprint import LIBRARIES, fingerprint, library_version
from models.settings import TrainingSettings


def environment(
    trainings: Sequence[TrainingSettings], used: Sequence[str] = LIBRARIES
) -> dict[str, str]:
    """By what it is; equal in two processes if the same operation gives the same bits in both.

    `trainings`: those that will be done here; device and compiler matter only as far as they use
    them. `used`: the libraries that compute. Raises DataError if this machine lacks a device or
    compiler that they need.
    """
    prints = sorted({fingerprint(training, used)[:12] for training in trainings})
    return {
        "Python": ".".join(platform.python_version_tuple()[:2]),
        **{name: library_version(name) for name in used},
        "processor": f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}",
        "fingerprint": " ".join(prints),
    }
