"""Where model vectors are kept by name: in a folder, one file each, or in memory.

Workers read an operation's inputs here and write its result here: a vector never crosses a pipe.

A file is numpy's .npy of a flat little-endian float32 vector, which `numpy.load` reads, and after
it 4 bytes more: the CRC-32, little-endian, of the model's name and the numbers. So what was copied
to another name is noticed as well; and the header must be the one that the file's size calls for.

For 20 kB, 400 kB and 2 MB, CRC-32 takes 8, 92 and 460 us where SHA-256 takes 12, 220 and 1110
(with processor instructions for it), and BLAKE2b 30, 430 and 2120. The enemy is chance: CRC-32
finds all damage within 32 neighbouring bits, and of any other one in 2^32 escapes it.
"""

import os
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Protocol
from zlib import crc32

import numpy as np

from sim.compute.refs import Vector
from sim.record.files import make_way

_HEADER_BYTES = 128
_CHECKSUM_BYTES = 4
_SUFFIX, _UNFINISHED = ".npy", ".tmp"
_SUBFOLDER = re.compile("[0-9a-f]{2}")


class DamagedVector(RuntimeError):
    """A file of the store is not what was written; the text says which, and what is wrong."""


class Vectors(Protocol):
    """Model vectors by name (32 hexadecimal digits); equal names are equal bits."""

    def write(self, name: str, vector: Vector) -> int:
        """Keep a vector [P], all of it or nothing; its size in bytes. Raises OSError."""

    def read(self, name: str) -> Vector:
        """A copy of the vector [P]. Raises FileNotFoundError, or DamagedVector."""

    async def fetch(self, name: str) -> Vector:
        """`read` from this process, wherever the vector is."""

    def remove(self, name: str) -> None:
        """Drop the vector if it is there. Raises OSError."""

    def sizes(self) -> dict[str, int]:
        """Bytes by name of all that are there, oldest first. Raises OSError."""

    def clear(self) -> None:
        """Drop them all. Raises OSError."""


class VectorFolder:
    """One file per vector, in subfolders of the name's first two digits; any number of processes.

    Nothing is flushed to the disk: a killed process leaves a whole file or none, and what a power
    failure leaves, the checksum tells.
    """

    def __init__(self, folder: Path) -> None:
        # All that there is to pickle, and a string: pathlib costs more than a small file's read.
        self._folder = os.fspath(folder)

    def write(self, name: str, vector: Vector) -> int:
        assert vector.ndim == 1
        data = np.ascontiguousarray(vector, "<f4")
        header = _header(len(data))
        parts = (header, data.data, _checksum(name, data.data))
        path = self._path(name)
        try:
            _write_whole(path, parts)
        except FileNotFoundError:  # The first of its subfolder, or `sizes` came in between.
            # Nothing above it: a result folder that was moved isn't begun again where it was.
            with suppress(FileExistsError):
                os.mkdir(os.path.dirname(path))
            _write_whole(path, parts)
        return _HEADER_BYTES + data.nbytes + _CHECKSUM_BYTES

    def read(self, name: str) -> Vector:
        path = self._path(name)
        try:
            content = np.fromfile(path, np.uint8)
        except FileNotFoundError:
            raise
        except OSError as failure:
            raise DamagedVector(f"{path} cannot be read: {failure.strerror}") from failure
        header, data = content[:_HEADER_BYTES], content[_HEADER_BYTES:-_CHECKSUM_BYTES]
        length, rest = divmod(len(content) - _HEADER_BYTES - _CHECKSUM_BYTES, 4)
        if rest or header.tobytes() != _header(length):
            raise DamagedVector(f"{path} is truncated, or not what its header says")
        if content[-_CHECKSUM_BYTES:].tobytes() != _checksum(name, data.data):
            raise DamagedVector(f"{path} does not match its checksum")
        vector: Vector = data.view("<f4").astype(np.float32, copy=False)
        return vector

    async def fetch(self, name: str) -> Vector:
        return self.read(name)

    def remove(self, name: str) -> None:
        with suppress(FileNotFoundError):
            os.unlink(self._path(name))

    def sizes(self) -> dict[str, int]:
        """See Vectors; deletes what was left half written. Whoever is writing begins again."""
        found: list[tuple[int, str, int]] = []
        for subfolder in self._subfolders():
            with os.scandir(subfolder) as entries:
                for entry in entries:
                    name, suffix = os.path.splitext(entry.name)
                    # Workers of a session that was killed may still be at their last operation.
                    with suppress(FileNotFoundError):
                        if suffix == _UNFINISHED:
                            os.unlink(entry.path)
                        elif entry.path == self._path(name):
                            if not entry.is_file(follow_symlinks=False):
                                make_way(Path(entry.path))
                                continue
                            status = entry.stat()
                            found.append((status.st_mtime_ns, name, status.st_size))
        return {name: size_bytes for _, name, size_bytes in sorted(found)}

    def clear(self) -> None:
        for name in self.sizes():
            self.remove(name)
        for subfolder in self._subfolders():
            with suppress(OSError):  # Somebody else keeps something there.
                os.rmdir(subfolder)

    def _path(self, name: str) -> str:
        return f"{self._folder}/{name[:2]}/{name}{_SUFFIX}"

    def _subfolders(self) -> list[str]:
        if not os.path.isdir(self._folder):
            return []
        with os.scandir(self._folder) as entries:
            # Joined as `_path` does it, so that the two compare equal.
            return [f"{self._folder}/{entry.name}" for entry in entries if _is_folder(entry)]


class VectorMemory:
    """The same within one process."""

    def __init__(self) -> None:
        self._vectors: dict[str, Vector] = {}

    def write(self, name: str, vector: Vector) -> int:
        self._vectors[name] = vector.copy()
        return vector.nbytes

    def read(self, name: str) -> Vector:
        try:
            return self._vectors[name].copy()
        except KeyError:
            raise FileNotFoundError(f"no model is called {name}") from None

    async def fetch(self, name: str) -> Vector:
        return self.read(name)

    def remove(self, name: str) -> None:
        self._vectors.pop(name, None)

    def sizes(self) -> dict[str, int]:
        return {name: vector.nbytes for name, vector in self._vectors.items()}

    def clear(self) -> None:
        self._vectors.clear()


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Whether it is a folder; what else stands in the place of one goes."""
    if not (is_folder := entry.is_dir()) and _SUBFOLDER.fullmatch(entry.name):
        make_way(Path(entry.path))
    return is_folder


def _header(length: int) -> bytes:
    """What version 1.0 of the .npy format puts before a float32 vector of that length."""
    fields = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({length},), }}"
    return b"\x93NUMPY\x01\x00v\x00" + fields.ljust(_HEADER_BYTES - 11).encode() + b"\n"


def _checksum(name: str, data: memoryview) -> bytes:
    return crc32(data, crc32(name.encode())).to_bytes(_CHECKSUM_BYTES, "little")


def _write_whole(path: str, parts: Iterable[bytes | memoryview]) -> None:
    # Random and not the process's number: processes of several machines may share the folder.
    unfinished = f"{path}.{os.urandom(8).hex()}{_UNFINISHED}"
    try:
        with open(unfinished, "xb") as file:
            file.writelines(parts)
        os.replace(unfinished, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(unfinished)
        raise
