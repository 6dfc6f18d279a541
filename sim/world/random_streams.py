"""Random numbers by name: every draw of a world is its own, whatever else is drawn."""

import functools
import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.record.rows import CLIENT, STANDBY

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Words = npt.NDArray[np.uint64]

# Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014: SplitMix64.
_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_NO_CLIENT = (1 << 32) - 1
_WORD = (1 << 64) - 1
_FEW, _BLOCK = 512, 32


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

    def uniform(self, purpose: str, *numbers: int) -> float:
        """What `uniforms` draws for one name, ten times as fast."""
        state = int(_purpose_key(self.seed, purpose))
        for each in numbers:
            state = _next_word(state, each)
        return float(state >> 11) * 2.0**-53

    def shuffled(self, count: int, purpose: str, *numbers: int) -> Iterator[Ints]:
        """All of 0 to `count` - 1 once each, at random, in blocks that grow.

        It takes as long as what is looked at: the order is found by drawing again whatever was
        there before, and the rest at once when a quarter has been tried. The order is named
        ``(purpose, *numbers)``, and a larger `count` puts its elements in between, up to the next
        power of two.
        """
        if count <= _FEW:
            yield from _blocks(self._sorted(np.arange(count), purpose, *numbers))
            return
        reach = 1 << (count - 1).bit_length()
        known: dict[int, None] = {}
        start, size = 0, _BLOCK
        while start < reach // 4:
            luck = self.uniforms(purpose, *numbers, np.arange(start, start + size))
            tried = (luck * reach).astype(np.int64)
            fresh = [
                one for one in dict.fromkeys(tried[tried < count].tolist()) if one not in known
            ]
            known.update(dict.fromkeys(fresh))
            yield np.array(fresh, dtype=np.int64)
            start, size = start + size, 2 * size
        rest = np.delete(np.arange(count), list(known))
        yield from _blocks(self._sorted(rest, f"{purpose}_rest", *numbers))

    def _sorted(self, elements: Ints, purpose: str, *numbers: int) -> Ints:
        luck = self.uniforms(purpose, *numbers, elements)
        return elements[np.argsort(luck, kind="stable")]

    def uniforms(self, purpose: str, *numbers: Ints | int) -> Floats:
        """One draw from [0, 1) for each element of `numbers`, whole numbers that are broadcast.

        Element by element it is named ``(purpose, *numbers)``. For draws by the thousand, such as
        each heartbeat's luck on its way to each node, for which generators would take too long.
        """
        state: Words | int = int(_purpose_key(self.seed, purpose))
        for each in numbers:
            if isinstance(state, int) and isinstance(each, int):
                state = _next_word(state, each)  # An array of one takes ten times as long.
                continue
            # Words wrap around, as they are meant to; only those of an array do so in silence.
            words = np.atleast_1d(each).astype(np.uint64) + np.uint64(1)
            state = _mixed(np.atleast_1d(np.asarray(state, dtype=np.uint64)) + _GAMMA * words)
        words = np.atleast_1d(np.asarray(state, dtype=np.uint64))
        return (words >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _blocks(elements: Ints) -> Iterator[Ints]:
    """The elements, in blocks that grow."""
    start, size = 0, _BLOCK
    while start < len(elements):
        yield elements[start : start + size]
        start, size = start + size, 2 * size


def _next_word(state: int, number: int) -> int:
    word = (state + int(_GAMMA) * (number + 1)) & _WORD
    word = ((word ^ (word >> 30)) * int(_FIRST)) & _WORD
    word = ((word ^ (word >> 27)) * int(_SECOND)) & _WORD
    return word ^ (word >> 31)


def _mixed(words: Words) -> Words:
    words = (words ^ (words >> np.uint64(30))) * _FIRST
    words = (words ^ (words >> np.uint64(27))) * _SECOND
    return words ^ (words >> np.uint64(31))


def node_numbers(names: Iterable[str]) -> Ints:
    """What names nodes [n] where draws are: a client's stays, whoever else there is."""
    return np.array([_number(name) for name in names], dtype=np.int64)


def _number(name: str) -> int:
    """Of a client its index; the server has the last number, and standbys those before."""
    if name.startswith(CLIENT):
        return int(name.removeprefix(CLIENT))
    return _NO_CLIENT - (int(name.removeprefix(STANDBY)) if name.startswith(STANDBY) else 0)


@functools.cache
def _purpose_key(seed: int, purpose: str) -> np.uint64:
    return np.uint64(int.from_bytes(hashlib.sha256(f"{seed} {purpose}".encode()).digest()[:8]))


def _words(part: str | int) -> list[int]:
    """One part of a name as eight 32-bit words; the type tag keeps 1 and "1" apart."""
    text = f"i{part}" if isinstance(part, int) else f"s{part}"
    digest = hashlib.sha256(text.encode()).digest()
    return [int.from_bytes(digest[i : i + 4], "little") for i in range(0, 32, 4)]
