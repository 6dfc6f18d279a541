"""A volume's file, read to its end: what is cut off, damaged or followed by something is refused.

A reader that stops behind the last voxel never comes to a gzip's checksum (RFC 1952), and takes
what was decompressed wrongly. Members one after the other are one file there, and zeros behind
the last are padding; both are read.
"""

import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from nibabel.arrayproxy import ArrayProxy

from models.tasks.nifti.headers import LONGEST, Header, header
from models.tasks.nifti.tables import SCANS
from sim.record.errors import Refusal
from sim.record.settings.files import opened

_DAMAGE = (OSError, EOFError, zlib.error)
_GZIP = b"\x1f\x8b"
_HIGHEST_RATIO = 1032
"""A byte of deflate is at most so many decompressed (zlib's technical details)."""
_LONGEST_FOOTER = 2**20
"""Of FreeSurfer's: what was done to a volume."""


@dataclass(frozen=True)
class Stored:
    """A volume in a file whose header is sound."""

    file: Path
    header: Header

    def voxels(self) -> npt.NDArray[Any]:
        """The values of all voxels, of the header's shape. Raises Refusal unless they are whole."""
        known = self.header
        spec = known.shape, known.dtype, known.offset, known.slope, known.intercept
        try:
            with _bytes_of(self.file) as stream, np.errstate(all="ignore"):
                found = np.asarray(ArrayProxy(stream, spec, mmap=False))
                rest = len(stream.read(_LONGEST_FOOTER + 1))
        except MemoryError:
            raise self._refusal("doesn't fit into memory", "a smaller scan") from None
        if rest > (_LONGEST_FOOTER if known.has_footer else 0):
            raise self._refusal("is longer than its header says", "nothing behind the voxels")
        return found

    def _refusal(self, what: str, allowed: str) -> Refusal:
        return Refusal(f"{self.file}: {what}", allowed, SCANS)


def stored(file: Path) -> Stored:
    """What a file's header says. Raises Refusal if it can't be used, or can't be true."""
    try:
        with _bytes_of(file) as stream:
            known = header(stream.read(LONGEST))
            # Else memory would be had for what a header of a few bytes claims.
            ratio = _HIGHEST_RATIO if isinstance(stream, gzip.GzipFile) else 1
            if known.end > ratio * file.stat().st_size:
                raise EOFError
    except Refusal as mistake:
        if mistake.path:
            raise
        raise Refusal(f"{file}: {mistake.what}", mistake.allowed, SCANS) from None
    return Stored(file, known)


@contextmanager
def _bytes_of(file: Path) -> Iterator[BufferedReader | gzip.GzipFile]:
    """What is in a file, decompressed if need be. Raises Refusal where it is damaged."""
    with opened(file, "a NIfTI or MGH file", SCANS) as raw:
        try:
            if raw.peek(2)[:2] != _GZIP:
                yield raw
            else:
                with gzip.GzipFile(fileobj=raw) as stream:
                    yield stream
        except _DAMAGE:
            raise Refusal(f"{file}: is cut off or damaged", "a whole file", SCANS) from None
