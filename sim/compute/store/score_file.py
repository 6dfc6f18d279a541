"""The file of scores that were computed: one line each, appended as they come.

A score, once kept, survives a kill at any instant. A line is JSON and checks itself:
`["<name>",{"accuracy":0.91},"<crc-32>"]`, where the checksum, in 8 hexadecimal digits, is of all
that stands before its comma. NaN and the infinities are spelled as Python's json does.
"""

import os
from binascii import unhexlify
from pathlib import Path
from zlib import crc32

_TAIL_BYTES = len(b',"01234567"]\n')


class ScoreFile:
    """The scores' JSON by name, both as bytes, in a file whose only writer is this process.

    `known`: what was there when it was opened. `damaged`: the numbers of the lines that are not
    what was written. Raises OSError at construction if the file cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.known: dict[bytes, bytes] = {}
        self.damaged: list[int] = []
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        self._end = 0
        self._unwritten = bytearray()
        self._load()

    def _load(self) -> None:
        # A million lines take about 2 s and 240 MB: names as 16 bytes, and JSON that is parsed
        # when somebody asks. As dictionaries of floats they would take 7 s and 530 MB.
        with open(self._file, "rb", closefd=False) as lines:
            for number, line in enumerate(lines, start=1):
                if not line.endswith(b"\n"):
                    break  # What a kill leaves of the line that was being written.
                self._end += len(line)
                if line.endswith(_tail(line[:-_TAIL_BYTES])):
                    self.known[unhexlify(line[2:34])] = line[36:-_TAIL_BYTES]
                else:
                    self.damaged.append(number)
        os.ftruncate(self._file, self._end)

    def append(self, name: str, scores: bytes) -> None:
        """Hand a line to the system, which keeps it whatever becomes of this process.

        Raises OSError. What could not be written then is written first by the next call that can.
        """
        line = b'["%s",%s' % (name.encode(), scores)
        self._unwritten += line + _tail(line)
        self._write()

    def close(self) -> None:
        """Raises OSError if lines that were refused before are refused again."""
        try:
            self._write()
        finally:
            os.close(self._file)

    def _write(self) -> None:
        # At a place of our own counting: half a line of a write that failed is written over.
        while self._unwritten:
            written = os.pwrite(self._file, self._unwritten, self._end)
            self._end += written
            del self._unwritten[:written]


def _tail(line: bytes) -> bytes:
    return b',"%08x"]\n' % crc32(line)
