"""Arrays on disk: made once, then read. A file may be half written, damaged, or wanted by two
processes at once.
"""

import os
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from filelock import FileLock, Timeout

from models.tasks.settings import Tell
from sim.record.errors import Refusal

Arrays = Mapping[str, npt.NDArray[Any]]

_OWN_NAME = "made_as"
"""The array that says under which name all were made: it names what they were made of."""

_DAMAGE = (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile, zlib.error)


def kept(
    path: Path, names: Sequence[str], make: Callable[[], Arrays], tell: Tell, what: str
) -> Arrays:
    """The arrays of these names at `path`; made and kept there if the file is missing or damaged.

    Of several processes one makes them while the others wait, and `tell` it. `what` they are, in
    a word. Raises Refusal if the folder can't be written to.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path.with_suffix(".lock"), tell, what):
            arrays = _read(path, names)
            if arrays is None:
                arrays = make()
                _write(path, arrays)
            return arrays
    except OSError as error:
        raise Refusal(
            f"{path.parent}: {what} can't be kept there: {error.strerror or error}",
            "a folder that can be written to, as XDG_CACHE_HOME names it",
            ("task", "name"),
        ) from error


def _locked(path: Path, tell: Tell, what: str) -> AbstractContextManager[object]:
    lock = FileLock(path)
    try:
        return lock.acquire(timeout=0)
    except Timeout:
        tell(f"waiting for another process that makes the same {what}")
        return lock.acquire()


def _read(path: Path, names: Sequence[str]) -> Arrays | None:
    """The arrays of a whole file; reading them to their ends checks each against its CRC.

    None if there is none, or if it was made as another, and has been copied or renamed since.
    """
    if not path.is_file():
        return None
    try:
        # numpy leaves a damaged file open that it has opened itself.
        with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
            if file[_OWN_NAME].item() != path.stem:
                return None
            return {name: file[name] for name in names}
    except _DAMAGE:
        return None


def _write(path: Path, arrays: Arrays) -> None:
    unfinished = path.with_suffix(".unfinished")
    try:
        with unfinished.open("wb") as file:
            own = {_OWN_NAME: np.array(path.stem)}
            np.savez_compressed(file, **arrays, **own)  # type: ignore[arg-type]
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
