"""Random numbers by name: every draw of a world is its own, whatever else is drawn."""

import functools
import hashlib
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

# Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014: SplitMix64.
_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


@dataclass(frozen=True)
class Streams:
    """All random numbers of one seed (an integer, zero or more)."""

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

    def uniforms(self, purpose: str, *numbers: Ints | int) -> Floats:
        """One draw from [0, 1) for each element of `numbers`, whole numbers that are broadcast.

        Element by element it is named ``(purpose, *numbers)``. For draws by the thousand, such as
        each heartbeat's luck on its way to each node, for which generators would take too long.
        """
        state = np.atleast_1d(_purpose_key(self.seed, purpose))
        for each in numbers:
            # Words wrap around, as they are meant to; only those of an array do so in silence.
            words = np.atleast_1d(each).astype(np.uint64) + np.uint64(1)
            state = _mixed(state + _GAMMA * words)
        return (state >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _mixed(words: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    words = (words ^ (words >> np.uint64(30))) * _FIRST
    words = (words ^ (words >> np.uint64(27))) * _SECOND
    return words ^ (words >> np.uint64(31))


@functools.cache
def _purpose_key(seed: int, purpose: str) -> np.uint64:
    return np.uint64(int.from_bytes(hashlib.sha256(f"{seed} {purpose}".encode()).digest()[:8]))


def _words(part: str | int) -> list[int]:
    """One part of a name as eight 32-bit words; the type tag keeps 1 and "1" apart."""
    text = f"i{part}" if isinstance(part, int) else f"s{part}"
    digest = hashlib.sha256(text.encode()).digest()
    return [int.from_bytes(digest[i : i + 4], "little") for i in range(0, 32, 4)]
