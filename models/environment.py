"""What decides the bits of a model beside its description, in words that people can compare.

A room of its own because it serves people: `fingerprint` is what names hold.
"""

from __future__ import annotations

import importlib.metadata
import platform

import torch

from models.learner import fingerprint


def environment() -> dict[str, str]:
    """By what it is; equal in two processes if the same operation gives the same bits in both."""
    libraries = ("torch", "numpy", "scikit-learn")
    return {
        "Python": ".".join(platform.python_version_tuple()[:2]),
        **{name: importlib.metadata.version(name) for name in libraries},
        "processor": f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}",
        "fingerprint": fingerprint()[:12],
    }
