"""Laws of durations: draws and residual lives against closed forms, and that all are scaled."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import TypeAdapter
from scipy.special import gammainc, ndtr

from sim.record.settings import Distribution, Duration

Floats = NDArray[np.float64]
DRAWS = 10_000
FAR = 1.63 / math.sqrt(DRAWS)
"""A Kolmogorov-Smirnov distance that one in a hundred exceeds."""


def law(distribution: str, **parameters: Any) -> Distribution:
    made: Distribution = TypeAdapter(Duration).validate_python(
        {"distribution": distribution, **parameters}
    )
    return made


# With its distribution function and its mean.
LAWS: dict[str, tuple[Distribution, Callable[[Floats], Floats], float]] = {
    "uniform": (
        law("uniform", low="1 s", high="5 s"),
        lambda x: np.clip((x - 1) / 4, 0, 1),
        3.0,
    ),
    "exponential": (law("exponential", mean="3 s"), lambda x: -np.expm1(-x / 3), 3.0),
    "lognormal": (
        law("lognormal", median="2 s", sigma=0.8),
        lambda x: ndtr(np.log(x / 2) / 0.8),
        2 * math.exp(0.32),
    ),
    "weibull": (
        law("weibull", shape=0.5, scale="3 s"),
        lambda x: -np.expm1(-np.sqrt(x / 3)),
        3 * math.gamma(3),
    ),
    "gamma": (law("gamma", shape=0.7, mean="3 s"), lambda x: gammainc(0.7, x * 0.7 / 3), 3.0),
}


def distance(found: Floats, cdf: Callable[[Floats], Floats]) -> float:
    """Of a sample from a distribution (Kolmogorov-Smirnov)."""
    expected, n = cdf(np.sort(found)), len(found)
    above = np.arange(1, n + 1) / n - expected
    return float(max(above.max(), (1 / n - above).max()))


def residual_cdf(cdf: Callable[[Floats], Floats], mean_s: float) -> Callable[[Floats], Floats]:
    """What is left of a duration in equilibrium: the integral of 1 - cdf over the mean."""
    x = np.concatenate([[0.0], np.geomspace(1e-9, 1e6, 10_000)])
    left = np.concatenate([[1.0], 1 - cdf(x[1:])])
    integral = np.concatenate([[0.0], np.cumsum(np.diff(x) * (left[1:] + left[:-1]) / 2)])
    return lambda at: np.interp(at, x, integral / mean_s)


def units(seed: int) -> tuple[Floats, Floats]:
    draws = np.random.default_rng(seed)
    return draws.standard_exponential(DRAWS), draws.random(DRAWS)


@pytest.mark.parametrize("name", LAWS)
def test_draws_follow_the_law(name: str) -> None:
    one, cdf, mean_s = LAWS[name]
    hazard, _ = units(1)
    assert one.mean_s == pytest.approx(mean_s)
    assert distance(one.at_hazard(hazard), cdf) < FAR
    assert distance(one.draw(np.random.default_rng(2), DRAWS), cdf) < FAR
    assert distance(1.2 * one.at_hazard(hazard), cdf) > FAR


@pytest.mark.parametrize("name", LAWS)
def test_residual_lives_follow_renewal_theory(name: str) -> None:
    one, cdf, mean_s = LAWS[name]
    hazard, fraction = units(3)
    expected = residual_cdf(cdf, mean_s)
    assert distance(one.residual(hazard, fraction), expected) < FAR
    # Where durations differ, a plain one falls less often around an instant than a long one.
    assert distance(fraction * one.at_hazard(hazard), expected) > FAR


def test_of_a_constant_any_part_is_left() -> None:
    hazard, fraction = units(4)
    constant = law("constant", value="8 s")
    assert constant.mean_s == 8.0
    assert set(constant.at_hazard(hazard)) == {8.0}
    assert np.array_equal(constant.residual(hazard, fraction), 8.0 * fraction)


def test_shape_one_is_exponential() -> None:
    hazard, fraction = units(5)
    plain = law("exponential", mean="3 s")
    for same in (law("weibull", shape=1.0, scale="3 s"), law("gamma", shape=1.0, mean="3 s")):
        assert np.allclose(same.at_hazard(hazard), plain.at_hazard(hazard), rtol=1e-9, atol=0)
        left_s = plain.residual(hazard, fraction)
        assert np.allclose(same.residual(hazard, fraction), left_s, rtol=1e-9, atol=0)


SCALED: dict[str, Callable[[float], Distribution]] = {
    "constant": lambda s: law("constant", value=f"{s!r} s"),
    "uniform": lambda s: law("uniform", low=f"{s / 4!r} s", high=f"{s!r} s"),
    "exponential": lambda s: law("exponential", mean=f"{s!r} s"),
    "lognormal": lambda s: law("lognormal", median=f"{s!r} s", sigma=1.7),
    "weibull": lambda s: law("weibull", shape=0.6, scale=f"{s!r} s"),
    "gamma": lambda s: law("gamma", shape=0.4, mean=f"{s!r} s"),
}
HAZARDS = np.geomspace(1e-18, 44.0, 40)
"""From what a float's exponential hardly tells from 0, to the largest that will ever be drawn."""


@pytest.mark.parametrize("name", SCALED)
@settings(max_examples=10, deadline=None)
@given(scales=st.tuples(*[st.floats(1e-6, 1e9)] * 2).map(sorted), fraction=st.floats(0.0, 1.0))
def test_a_longer_scale_stretches_the_same_draws(
    name: str, scales: list[float], fraction: float
) -> None:
    shorter, longer = map(SCALED[name], scales)
    fractions = np.full_like(HAZARDS, fraction)
    assert np.all(shorter.at_hazard(HAZARDS) <= longer.at_hazard(HAZARDS))
    assert np.all(shorter.residual(HAZARDS, fractions) <= longer.residual(HAZARDS, fractions))
    assert shorter.mean_s <= longer.mean_s
    assert np.all(np.diff(shorter.at_hazard(HAZARDS)) >= 0)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("weibull", {"shape": 0.01, "scale": "1e12 s"}),
        ("weibull", {"shape": 100.0, "scale": "1e-9 s"}),
        ("gamma", {"shape": 0.01, "mean": "1e12 s"}),
        ("gamma", {"shape": 100.0, "mean": "1e-9 s"}),
        ("lognormal", {"sigma": 10.0, "median": "1e12 s"}),
        ("lognormal", {"sigma": 0.0, "median": "1e12 s"}),
    ],
)
def test_the_most_extreme_laws_end_in_numbers(name: str, parameters: dict[str, Any]) -> None:
    one = law(name, **parameters)
    hazard = np.concatenate([[0.0, 1e-300], HAZARDS])
    found = [one.at_hazard(hazard), one.length_biased(hazard)]
    assert np.all(np.isfinite(found)) and np.min(found) >= 0
    assert 0 < one.mean_s < math.inf
