"""Files that are files: what merely stands in the place of one neither hangs nor misleads us."""

import errno
import hashlib
import os
import stat
from contextlib import suppress
from io import BufferedReader
from pathlib import Path

_KINDS = {
    stat.S_IFIFO: "is a pipe",
    stat.S_IFSOCK: "is a socket",
    stat.S_IFCHR: "is a device",
    stat.S_IFBLK: "is a device",
}


def opened(path: str | os.PathLike[str]) -> BufferedReader:
    """A regular file, or a link to one, to be read.

    Raises OSError, for folders, pipes, sockets and devices as well: `strerror` says what it is.
    """
    if "\0" in os.fspath(path):  # No file's name holds it, and Python raises ValueError.
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), os.fspath(path))
    # Asked first, since to open a device may do something; and without waiting for a pipe's writer.
    check_regular(os.stat(path).st_mode, path)
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    return open(descriptor, "rb")


def check_regular(mode: int, path: str | os.PathLike[str]) -> None:
    """Raise OSError, saying what it is, for what is no regular file by its `st_mode`."""
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "is a folder", os.fspath(path))
    if not stat.S_ISREG(mode):
        what = _KINDS.get(stat.S_IFMT(mode), "is no file")
        raise OSError(errno.EINVAL, what, os.fspath(path))


def read_bytes(path: Path) -> bytes:
    """All that a regular file holds. Raises OSError."""
    with opened(path) as file:
        return file.read()


def digest(path: Path) -> str:
    """The SHA-256 of a regular file, in hexadecimal digits. Raises OSError."""
    with opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def make_way(path: Path) -> None:
    """Take away what stands in the place of a file to be written, but for a folder with content.

    A link goes, what it leads to stays. Raises OSError.
    """
    with suppress(FileNotFoundError):
        if path.is_dir() and not path.is_symlink():
            path.rmdir()
        else:
            path.unlink()
