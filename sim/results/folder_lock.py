"""One program at a time in a result folder.

The operating system holds the lock, so it ends with its holder, however that one ends.
"""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from sim.record.errors import ScenarioError

LOCK_FILE = ".lock"


_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)


@contextmanager
def locked(folder: Path, tell: Callable[[str], None]) -> Iterator[None]:
    """Hold ``folder``, which is made if need be; ScenarioError if another process holds it.

    Where the file system has no locks, as some over networks, that is told, and nobody is kept out.
    The lock's file stays behind: to remove it would part those who wait from those who come.
    """
    # A soft lock would outlive a holder that is killed.
    lock = FileLock(folder / LOCK_FILE, fallback_to_soft=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout:
        raise ScenarioError(
            f"--out {folder}: another braintorrent (process {_holder(folder)}) is working there; "
            "wait for it, or choose another folder (--out DIR)"
        ) from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            what = f"cannot write there: {error.strerror}"
            raise ScenarioError(f"--out {folder}: {what}") from None
        tell(f"{folder}: its file system has no locks: nobody else may work there meanwhile")
    try:
        if lock.is_locked:
            # In the file itself, so that it can't outlive the lock and be believed.
            (folder / LOCK_FILE).write_text(f"{os.getpid()}\n", encoding="ascii")
        yield
    finally:
        lock.release()


def holder(folder: Path) -> str | None:
    """The number of the process that holds ``folder`` ("?" if unknown); None if nobody does."""
    path = folder / LOCK_FILE
    if not path.is_file():
        return None
    lock = FileLock(path, fallback_to_soft=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return _holder(folder)
    except OSError:
        return None  # a folder that can't be written to is nobody's workplace
    lock.release()
    return None


def _holder(folder: Path) -> str:
    try:
        text = (folder / LOCK_FILE).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return "?"
    return text if text.isdecimal() else "?"
