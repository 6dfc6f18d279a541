"""What decides the bits of a model beside its learner's description: one name for all of it.

A room of its own because names of results hold it, and whoever compares machines asks for it too.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
from collections.abc import Sequence
from pathlib import Path

import torch

from models import devices
from models.compiled import compiler_version
from models.settings import DigitsSettings, TaskSettings, TrainingSettings

LIBRARIES = ("torch", "numpy", "scikit-learn")


def libraries(task: TaskSettings) -> tuple[str, ...]:
    """What computes this task's networks and metrics."""
    return LIBRARIES if isinstance(task, DigitsSettings) else (*LIBRARIES, "monai")


def library_version(name: str) -> str:
    """The version of a library, or "missing"."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "missing"


def fingerprint(training: TrainingSettings, used: Sequence[str] = LIBRARIES) -> str:
    """Names what decides bits beside a learner's description: code, libraries, CPU, compiler.

    `used`: the names of the libraries.

    Raises DataError if the machine lacks the device or, in batched arithmetic, a compiler.
    """
    digest = hashlib.sha256()
    root = Path(__file__).parent
    for path in sorted(root.rglob("*.py"), key=lambda path: path.relative_to(root).as_posix()):
        digest.update(path.relative_to(root).as_posix().encode())
        digest.update(path.read_bytes())
    for library in used:
        digest.update(library_version(library).encode())
    compiled_by = compiler_version() if training.arithmetic == "batched" else "nothing"
    digest.update(
        f"{platform.machine()} cpu={torch.backends.cpu.get_cpu_capability()} threads=1 "
        f"layout=channels_last arithmetic={training.arithmetic} compiler={compiled_by} "
        f"device={devices.described(training.device)}".encode()
    )
    return digest.hexdigest()
