"""Every training sample falls to exactly one client, by draws that only their seed decides."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.bits import generator
from models.learner import _checked
from models.partitions import DirichletSettings, IidSettings, QuantitySettings, SizesSettings
from models.partitions.settings import Ints
from sim.record.errors import Refusal

LABELS = np.repeat(np.arange(10), 100)
KINDS = [
    IidSettings(kind="iid"),
    DirichletSettings(kind="dirichlet", alpha=0.5, minimum_samples=1),
    QuantitySettings(kind="quantity", alpha=0.5, minimum_samples=1),
]


def divided(settings: Any, clients: int, seed: int, labels: Ints = LABELS) -> list[Ints]:
    parts: list[Ints] = settings.deal(labels, clients, generator(seed, "test"))
    return parts


@pytest.mark.parametrize("settings", KINDS, ids=lambda settings: settings.kind)
@given(clients=st.integers(1, 12), seed=st.integers(0, 2**32))
def test_each_sample_falls_to_exactly_one_client(settings: Any, clients: int, seed: int) -> None:
    parts = divided(settings, clients, seed)
    assert len(parts) == clients
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(len(LABELS)))
    assert all(np.all(np.diff(part) > 0) for part in parts)


@pytest.mark.parametrize("settings", KINDS, ids=lambda settings: settings.kind)
def test_the_seed_alone_decides(settings: Any) -> None:
    first, again, other = (divided(settings, 5, seed) for seed in (3, 3, 4))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert any(not np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_iid_sizes_differ_by_one_at_most() -> None:
    assert [len(part) for part in divided(KINDS[0], 7, 0)] == [143] * 6 + [142]


@pytest.mark.parametrize("alpha", [1e-300, 1e-3, 0.01])
def test_one_class_goes_to_one_client_when_alpha_is_small(alpha: float) -> None:
    settings = DirichletSettings(kind="dirichlet", alpha=alpha, minimum_samples=1)
    parts = divided(settings, 2, 0)
    largest = np.max([np.bincount(LABELS[part], minlength=10) for part in parts], axis=0)
    assert np.mean(largest) > 95


@pytest.mark.parametrize("kind", [DirichletSettings, QuantitySettings])
def test_sizes_even_out_when_alpha_is_large(kind: Any) -> None:
    name = "dirichlet" if kind is DirichletSettings else "quantity"
    parts = divided(kind(kind=name, alpha=1e6), 5, 0)
    assert all(abs(len(part) - 200) <= 10 for part in parts)


@pytest.mark.parametrize("kind", [DirichletSettings, QuantitySettings])
def test_draws_repeat_until_everybody_has_the_minimum(kind: Any) -> None:
    name = "dirichlet" if kind is DirichletSettings else "quantity"
    for seed in range(20):
        parts = divided(kind(kind=name, alpha=0.7, minimum_samples=40), 5, seed)
        assert min(len(part) for part in parts) >= 40


@pytest.mark.parametrize("clients", [3, 126])
@pytest.mark.parametrize("kind", [DirichletSettings, QuantitySettings])
def test_a_hopeless_minimum_is_refused_with_what_is_allowed(kind: Any, clients: int) -> None:
    name = "dirichlet" if kind is DirichletSettings else "quantity"
    # Three clients have enough in total but are never dealt it; 126 can't have 8 of 1,000 each.
    settings = kind(kind=name, alpha=1e-3, minimum_samples=8 if clients == 126 else 320)
    with pytest.raises(Refusal, match=r"fewer than \d+ of 1000 .*; allowed: a larger alpha"):
        divided(settings, clients, 0)


def test_sizes_are_as_listed() -> None:
    settings = SizesSettings(kind="sizes", sizes=(1, 1, 0.5, 7.5))
    parts = divided(settings, 4, 0)
    assert [len(part) for part in parts] == [100, 100, 50, 750]
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(len(LABELS)))
    other = divided(settings, 4, 1)
    assert any(not np.array_equal(a, b) for a, b in zip(parts, other, strict=True))


@pytest.mark.parametrize(
    ("sizes", "told"),
    [
        ((1, 1), "lists 2 sizes; allowed: 3, one per client"),
        ((1, 1, 1e-6), "1000 training samples leave some of 3 clients without data; allowed: "),
    ],
)
def test_sizes_that_cannot_be_dealt_are_refused(sizes: tuple[float, ...], told: str) -> None:
    with pytest.raises(Refusal, match=re.escape(told)) as caught:
        divided(SizesSettings(kind="sizes", sizes=sizes), 3, 0)
    assert caught.value.path == ("task", "partition", "sizes")


def test_iid_refuses_more_clients_than_samples() -> None:
    with pytest.raises(Refusal, match="1001 clients without data; allowed: at most 1000"):
        divided(KINDS[0], 1001, 0)


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ([[0, 1]], "1 clients get the numbers of 2 samples; allowed: some for each of 2"),
        ([[0, 1], []], "2 clients get the numbers of 2, 0 samples; allowed: some for each of 2"),
        ([[0.0, 1.0], [2.0]], "2 clients get the numbers of 2, 1 samples"),
        ([[0, 1], [1]], "a sample is dealt that isn't there, or twice; allowed: each number"),
        ([[0, 1], [4]], "a sample is dealt that isn't there, or twice"),
        ([[0, -1], [2]], "a sample is dealt that isn't there, or twice"),
    ],
)
def test_parts_that_are_none_are_refused(parts: list[list[float]], told: str) -> None:
    with pytest.raises(Refusal) as refusal:
        _checked([np.asarray(part) for part in parts], clients=2, samples=4)
    assert str(refusal.value).startswith(told)
    assert refusal.value.path == ("task", "partition")


def test_parts_are_put_in_order() -> None:
    dealt = _checked([np.asarray([2, 0]), np.asarray([1])], clients=2, samples=4)
    assert [part.tolist() for part in dealt] == [[0, 2], [1]]


@pytest.mark.parametrize("parts", [3, None, [["a"], {}]])
def test_what_is_no_list_of_parts_is_refused(parts: Any) -> None:
    with pytest.raises(Refusal) as refusal:
        _checked(parts, clients=2, samples=4)
    assert refusal.value.path == ("task", "partition")
