"""Files that are either whole or not there.

A room of its own because whoever writes a file owes this to whoever finds it: a program that was
killed must not leave half a table or half a trace behind.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from analysis.errors import ResultError


@contextmanager
def whole_file(target: Path) -> Iterator[Path]:
    """Lend a temporary path that becomes `target` when the block succeeds, and vanishes if not.

    The folder is made if need be. Raises ResultError if the disk does not let it be written.
    """
    unfinished = target.with_name(f".{target.name}.unfinished")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield unfinished
            with unfinished.open("rb") as file:
                os.fsync(file.fileno())
            unfinished.replace(target)
        finally:
            unfinished.unlink(missing_ok=True)
    except OSError as error:
        what = error.strerror or str(error)
        raise ResultError(f"{target}: cannot be written: {what}") from None
