"""Distinct: how many names there are, whatever comes twice, in whatever portions."""

import hashlib
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from sim.compute import distinct
from sim.compute.distinct import DIGEST_BYTES, Distinct


def digest(number: int) -> bytes:
    return hashlib.sha256(b"%d" % number).digest()[:DIGEST_BYTES]


@given(some.lists(some.lists(some.integers(0, 30))), some.integers(0, 5))
def test_each_counts_once(portions: list[list[int]], least: int) -> None:
    names, seen = Distinct(), set[int]()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(distinct, "_LEAST", least)
        for portion in portions:
            names.add(b"".join(map(digest, portion)))
            seen.update(portion)
            if len(portion) % 2:
                assert len(names) == len(seen)
        assert len(names) == len(seen)


def test_many_take_little_more_than_eight_bytes_each() -> None:
    names, draws = Distinct(), np.random.default_rng(0)
    tracemalloc.start()
    for _ in range(100):
        names.add(draws.bytes(DIGEST_BYTES * 5_000))
    size_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size_bytes < 8 * 500_000 + DIGEST_BYTES * 70_000
    assert len(names) == 500_000
