"""What a result folder's files are called, which format they have, and how they are written."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sim.record.errors import ResultError

FORMAT = 4
"""Raised whenever a file's content changes its meaning; a folder of another one is refused."""

SCENARIO_FILE = "scenario.yaml"
SCORES_FILE = "scores.parquet"
TRACE_FILE = "trace.parquet"
RUN_FILE = "run.json"
"""Written last: where it is, all runs of the folder have ended."""
MODELS_FOLDER = "models"
MODEL_SUFFIX = ".safetensors"
STORE_FOLDER = "store"
"""What was computed: where a session that was stopped goes on."""
# What a sweep adds: its own scenario, its points, a result folder for each, and tables over all.
SWEEP_FILE = "sweep.yaml"
POINTS_FILE = "sweep.json"
"""Written when a sweep begins, with all its points, and again when it ends."""
RUNS_FOLDER = "runs"
RUNS_FILE = "runs.parquet"
"""One row per point, protocol and seed."""

Record = dict[str, Any]
"""What `run.json` or `sweep.json` holds."""


def read_record(path: Path) -> Record | None:
    """The content of a folder's `run.json` or `sweep.json`; None if it is not there.

    Raises ResultError if it can't be read or is of another format.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(record, dict):
            raise ValueError("is no record")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        allowed = "the same command, once this file is removed"
        raise ResultError(f"{path}: cannot be read: {error}; allowed: {allowed}") from None
    if (found := record.get("format")) != FORMAT:
        sort, file = ("sweep", SWEEP_FILE) if path.name == POINTS_FILE else ("run", SCENARIO_FILE)
        raise ResultError(
            f"{path}: is of format {'1' if found is None else found}, not {FORMAT}; allowed: the "
            f"same results made anew: braintorrent {sort} {path.parent / file} --out FOLDER"
        )
    return record


def write_record(path: Path, record: Record) -> None:
    """Write a `run.json` or a `sweep.json`. Raises OSError."""
    with whole(path) as unfinished:
        text = json.dumps({"format": FORMAT, **record}, indent=2, ensure_ascii=False)
        unfinished.write_text(text + "\n", encoding="utf-8")


@contextmanager
def whole(target: Path) -> Iterator[Path]:
    """Lend a temporary path that becomes `target` when the block succeeds, and vanishes if not."""
    unfinished = target.with_name(f".{target.name}.unfinished")
    try:
        yield unfinished
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
