"""Weighted sums and the rules of server optimisers, against float64 references."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from models.operations import SERVER_RULES, combined, direction, stepped
from models.parameters import Vector
from sim.compute.refs import ModelKind, ModelRef, ServerRule

Doubles = npt.NDArray[np.float64]


def drawn(n: int, length: int, seed: int = 0) -> list[Vector]:
    draws = np.random.Generator(np.random.Philox(seed))
    return [draws.standard_normal(length).astype(np.float32) for _ in range(n)]


def summed(vectors: Sequence[Vector], weights: Sequence[float]) -> Doubles:
    """The reference: the formula."""
    terms = [w * v.astype(np.float64) for w, v in zip(weights, vectors, strict=True)]
    return np.sum(terms, axis=0)  # type: ignore[no-any-return]


def close(found: Vector, expected: Doubles) -> bool:
    """To 1e-6 of the expected vector's scale."""
    assert found.dtype == np.float32 and found.shape == expected.shape
    return bool(np.abs(found - expected).max() <= 1e-6 * np.abs(expected).max())


@given(n=st.integers(1, 20), length=st.integers(1, 300), seed=st.integers(0, 2**32))
def test_averaging_is_the_weighted_sum(n: int, length: int, seed: int) -> None:
    draws = np.random.Generator(np.random.Philox(seed))
    models = [draws.standard_normal(length).astype(np.float32) for _ in range(n)]
    weights = draws.dirichlet(np.ones(n))
    result = combined(models, tuple(weights), length)
    assert result.dtype == np.float32
    assert result.shape == (length,)
    # Rounding of the weights and of n products and sums, each relative to a term of size |w m|.
    size = summed([abs(model) for model in models], list(weights))
    error = np.abs(result - summed(models, list(weights)))
    assert np.all(error <= (n + 2) * 2.0**-24 * size + 1e-37)


def test_averaging_small_integers_is_exact() -> None:
    models = [np.full(7, value, dtype=np.float32) for value in (8, 16, 32)]
    assert combined(models, (0.5, 0.25, 0.25), 7).tolist() == [16] * 7


def test_a_model_averaged_alone_stays_itself() -> None:
    (model,) = drawn(1, 100)
    assert combined([model], (1.0,), 60).tobytes() == model.tobytes()


def test_averaging_leaves_its_inputs_alone_and_does_not_depend_on_their_address() -> None:
    draws = np.random.Generator(np.random.Philox(0))
    stock = draws.standard_normal(3 * 1009).astype(np.float32)
    models = [stock[i * 1009 : (i + 1) * 1009] for i in range(3)]
    kept = stock.copy()
    for weights in ((0.2, 0.3, 0.5), (5.0, -4.5, 0.5)):
        first = combined(models, weights, 1000)
        for _ in range(10):
            copies = [model.copy() for model in models]
            assert np.array_equal(combined(copies, weights, 1000), first)
    assert np.array_equal(stock, kept)


@pytest.mark.parametrize("weights", [(0.2, 0.3, 0.5), (0.0, 0.25, 0.75)])
def test_without_negative_weights_it_is_one_product_buffers_and_all(
    weights: tuple[float, ...],
) -> None:
    models = drawn(3, 1009)
    product = torch.tensor(weights) @ torch.from_numpy(np.stack(models))
    assert combined(models, weights, 1000).tobytes() == product.numpy().tobytes()


@pytest.mark.parametrize("factor", [0.5, 4.0, 1e4])
def test_what_cancels_out_leaves_no_rounding_behind(factor: float) -> None:
    # Models that differ in the fourth digit, as those of neighbouring rounds do.
    before, change = drawn(2, 1000)
    after = (before + np.float32(1e-4) * change).astype(np.float32)
    weights = (1 + factor, -factor)
    assert close(combined([after, before], weights, 1000), summed([after, before], weights))
    assert close(direction([after, before], (factor, -factor), 1000),
                 summed([after, before], (factor, -factor)))  # fmt: skip


def test_only_parameters_are_extrapolated_and_buffers_averaged_by_the_positive_weights() -> None:
    models = [np.array(values, np.float32) for values in ([1, 8], [2, 4], [4, 1])]
    # 3 + 2 - 4 x 4, and (3 x 8 + 1 x 4) / 4.
    assert combined(models, (3.0, 1.0, -3.0), 1).tolist() == [-7.0, 7.0]
    assert combined(models, (-1.0, 0.0, 2.0), 1).tolist() == [7.0, 1.0]


def test_a_direction_is_of_parameters_by_any_weights() -> None:
    models = [np.array(values, np.float32) for values in ([1, 8], [2, 4], [4, 1])]
    assert direction(models, (3.0, 1.0, -2.0), 1).tolist() == [-3.0, 0.0]
    assert direction(models[:1], (0.0,), 1).tolist() == [0.0, 0.0]
    assert direction(models[:1], (2.0,), 2).tolist() == [2.0, 16.0]


def square_of(rule: str, v: Doubles, d: Doubles, beta: float) -> Doubles:
    """Algorithm 2 of Reddi et al. 2021, line by line."""
    if rule == "adam_square":
        return beta * v + (1 - beta) * d * d
    result: Doubles = v - (1 - beta) * d * d * np.sign(v - d * d)
    return result


@pytest.mark.parametrize("rule", ["adam_square", "yogi_square"])
def test_a_square_follows_the_paper(rule: str) -> None:
    model, mean, before = drawn(3, 1000)
    before, beta, tau = abs(before), 0.9, 0.01
    d = mean.astype(np.float64) - model
    found = stepped(rule, [model, mean, before], (beta, tau), 900)
    assert close(found[:900], square_of(rule, before.astype(np.float64), d, beta)[:900])
    assert not found[900:].any()
    first = stepped(rule, [model, mean], (beta, tau), 900)
    assert close(first[:900], square_of(rule, np.full(1000, tau**2), d, beta)[:900])


def test_yogi_moves_by_the_change_and_not_by_the_distance() -> None:
    model, mean = np.zeros(2, np.float32), np.array([1, 3], np.float32)
    square = np.full(2, 4, np.float32)
    assert stepped("yogi_square", [model, mean, square], (0.5, 1.0), 2).tolist() == [3.5, 8.5]
    assert stepped("adam_square", [model, mean, square], (0.5, 1.0), 2).tolist() == [2.5, 6.5]


def test_a_step_follows_the_paper_and_takes_the_mean_s_buffers() -> None:
    model, mean, momentum, square = drawn(4, 1000)
    square = abs(square)
    found = stepped("adaptive_step", [model, mean, momentum, square], (0.1, 1e-3), 900)
    expected = model + 0.1 * momentum.astype(np.float64) / (
        np.sqrt(square.astype(np.float64)) + 1e-3
    )
    assert close(found[:900], expected[:900])
    assert found[900:].tobytes() == mean[900:].tobytes()


def test_what_gives_no_model_is_a_direction() -> None:
    assert set(get_args(ServerRule)) == set(SERVER_RULES)
    kinds: dict[ModelKind, bool] = {"initial": True, "trained": True, "combined": True}
    given: dict[Any, bool] = {name: rule.gives_model for name, rule in SERVER_RULES.items()}
    for kind, gives_model in (kinds | {"direction": False} | given).items():
        assert ModelRef("", kind, (), ()).is_direction is not gives_model
