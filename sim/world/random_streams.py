"""Random streams by name: every draw of a world comes from a generator of its own."""

import hashlib
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Streams:
    """All random streams of one seed (an integer, zero or more)."""

    seed: int

    def stream(self, purpose: str, *key: str | int) -> np.random.Generator:
        """A fresh generator at the start of the stream named ``(purpose, *key)``.

        The same name always gives the same numbers; names that differ, if only in a part's type
        (``1`` and ``"1"``), are independent.
        """
        words = [self.seed]
        for part in (purpose, *key):
            words.extend(_words(part))
        return np.random.Generator(np.random.Philox(np.random.SeedSequence(words)))


def _words(part: str | int) -> list[int]:
    """One part of a name as eight 32-bit words; the type tag keeps 1 and "1" apart."""
    text = f"i{part}" if isinstance(part, int) else f"s{part}"
    digest = hashlib.sha256(text.encode()).digest()
    return [int.from_bytes(digest[i : i + 4], "little") for i in range(0, 32, 4)]
