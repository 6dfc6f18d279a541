"""What a result folder's files are called, which format they have, and how they are kept whole."""

import hashlib
import json
import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sim.record.errors import ResultError
from sim.record.files import make_way, read_bytes

FORMAT = 5
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
_OWN_DIGEST = "record_sha256"


class DamagedError(ResultError):
    """A file of a result folder is not what was written; the same command makes it anew."""


def read_record(path: Path) -> Record | None:
    """The content of a folder's `run.json` or `sweep.json`; None if it is not there.

    Raises DamagedError unless it is what was written, and ResultError if it is of another format.
    """
    try:
        record = json.loads(read_bytes(path))
        if not isinstance(record, dict):
            raise ValueError("is no record")
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, RecursionError) as error:
        what = getattr(error, "strerror", None) or str(error)
        raise damaged(path, f"cannot be read: {what}") from None
    own, found = record.pop(_OWN_DIGEST, None), record.get("format")
    # Records of earlier formats have no digest.
    if own != _digest(record) and (own is not None or found == FORMAT):
        raise damaged(path)
    if found != FORMAT:
        sort, file = ("sweep", SWEEP_FILE) if path.name == POINTS_FILE else ("run", SCENARIO_FILE)
        raise ResultError(
            f"{path}: is of format {'1' if found is None else found}, not {FORMAT}; allowed: the "
            f"same results made anew: braintorrent {sort} {path.parent / file} --out FOLDER"
        )
    return record


def write_record(path: Path, record: Record) -> None:
    """Write a `run.json` or a `sweep.json`, with a digest of itself. Raises OSError."""
    content = json.loads(json.dumps({"format": FORMAT, **record}))  # As a reader will find it.
    with whole(path, ours=True) as unfinished:
        told = {**content, _OWN_DIGEST: _digest(content)}
        text = json.dumps(told, indent=2, ensure_ascii=False)
        unfinished.write_text(text + "\n", encoding="utf-8")


def _digest(record: Record) -> str:
    """The SHA-256 of a record's JSON with sorted keys and without blanks, in hexadecimal digits."""
    text = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def damaged(path: Path, what: str = "is not what was written") -> DamagedError:
    """What a reader says of a file, and how it is made anew."""
    return DamagedError(f"{path}: {what}; allowed: the same made anew: {again(path.parent)}")


def again(folder: Path, scenario: str | None = None) -> str:
    """The shell command that goes on in a result folder; of a sweep's point, in the sweep's.

    `scenario`: what it is given, by default the folder's own copy.
    """
    home = folder.parent.parent if folder.parent.name == RUNS_FOLDER else folder
    if not (home / SWEEP_FILE).exists():
        return _command("run", scenario or folder / SCENARIO_FILE, folder)
    return _command("sweep", scenario or home / SWEEP_FILE, home)


def _command(name: str, scenario: str | Path, folder: Path) -> str:
    if str(folder).startswith("~"):  # `--out` would take it for the user's home.
        folder = folder.absolute()
    return shlex.join(["braintorrent", name, str(scenario), "--out", str(folder)])


@contextmanager
def whole(target: Path, *, ours: bool = False) -> Iterator[Path]:
    """Lend a temporary path that becomes `target` when the block succeeds, and vanishes if not.

    `ours`: whether it is in a result folder, where an empty folder in its place has to go.
    """
    unfinished = target.with_name(f".{target.name}.unfinished")
    make_way(unfinished)  # Or else what is written there might go through a link.
    try:
        yield unfinished
        with unfinished.open("rb") as file:
            os.fsync(file.fileno())
        if ours and target.is_dir():
            make_way(target)
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
