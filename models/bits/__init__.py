"""What decides the bits of a model beside its description: draws, code, libraries, device."""

import hashlib

import numpy as np


def generator(seed: int, purpose: str, *key: int) -> np.random.Generator:
    """A fresh Philox generator for (seed, purpose, key); equal names give equal draws."""
    digest = hashlib.sha256(repr((purpose, *key)).encode()).digest()
    words = [int.from_bytes(digest[i : i + 4], "little") for i in range(0, 32, 4)]
    return np.random.Generator(np.random.Philox(np.random.SeedSequence([seed, *words])))
