"""The file of scores that were computed: one line each, appended as they come.

A score, once kept, survives a kill at any instant. A line is JSON and checks itself:
`["<name>",{"accuracy":0.91},"<crc-32>"]`, where the checksum, in 8 hexadecimal digits, is of all
that stands before its comma. NaN and the infinities are spelled as Python's json does.
"""

from __future__ import annotations

import os
import stat
from binascii import unhexlify
from pathlib import Path
from zlib import crc32

from sim.compute.store.places import Places
from sim.record.files import make_way

_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_TAIL_BYTES = len(b',"01234567"]\n')
_READ_BYTES = 1024
"""Most lines are shorter."""


class ScoreFile:
    """The scores' JSON by name, in a file whose only writer is this process.

    Without a path, in memory. In memory are otherwise only the places of lines, 16 bytes each.
    `damaged`: the numbers of the lines that were not what was written when the file was opened.
    `replaced`: whether something stood there that was no file, such as a link to elsewhere. Raises
    OSError at construction if the file cannot be written.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.damaged: list[int] = []
        self.replaced = False
        self._places = Places()
        self._end = 0
        # What comes after the end: all that the system has refused so far.
        self._unwritten = bytearray()
        self._file: int | None = None
        if path is not None:
            self.replaced = os.path.lexists(path) and not stat.S_ISREG(os.lstat(path).st_mode)
            if self.replaced:
                make_way(path)
            self._file = os.open(path, _FLAGS, 0o666)
            self._load(self._file)

    def _load(self, file: int) -> None:
        with open(file, "rb", closefd=False) as lines:
            for number, line in enumerate(lines, start=1):
                if not line.endswith(b"\n"):
                    break  # What a kill leaves of the line that was being written.
                if _is_whole(line):
                    self._places[unhexlify(line[2:34])] = self._end
                else:
                    self.damaged.append(number)
                self._end += len(line)
        os.ftruncate(file, self._end)

    def get(self, name: str) -> bytes | None:
        """The scores of that name, unless they are unknown, or damaged by now."""
        head = _head(name)
        for place in self._places.candidates(unhexlify(name)):
            line = self._line(place)
            if line.startswith(head) and _is_whole(line):
                return line[len(head) : -_TAIL_BYTES]
        return None

    def append(self, name: str, scores: bytes) -> None:
        """Hand a line to the system, which keeps it whatever becomes of this process.

        Raises OSError. What could not be written then is written first by the next call that can.
        """
        line = _head(name) + scores
        self._places[unhexlify(name)] = self._end + len(self._unwritten)
        self._unwritten += line + _tail(line)
        self._write()

    def close(self) -> None:
        """Raises OSError if lines that were refused before are refused again."""
        if self._file is None:
            return
        try:
            self._write()
        finally:
            os.close(self._file)
            self._file = None

    def _write(self) -> None:
        # At a place of our own counting: half a line of a write that failed is written over.
        while self._unwritten and self._file is not None:
            written = os.pwrite(self._file, self._unwritten, self._end)
            self._end += written
            del self._unwritten[:written]

    def _line(self, place: int) -> bytes:
        line = b""
        while not line.endswith(b"\n") and (more := self._read(place + len(line))):
            line += more[: more.find(b"\n") + 1 or None]
        return line

    def _read(self, place: int) -> bytes:
        start = place - self._end
        if start >= 0 or self._file is None:
            return bytes(self._unwritten[start : start + _READ_BYTES])
        return os.pread(self._file, min(_READ_BYTES, -start), place)


def _head(name: str) -> bytes:
    return b'["%s",' % name.encode()


def _tail(line: bytes) -> bytes:
    return b',"%08x"]\n' % crc32(line)


def _is_whole(line: bytes) -> bool:
    return line.endswith(_tail(line[:-_TAIL_BYTES]))
