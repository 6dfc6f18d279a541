"""Named streams: repeatable, independent of each other, and pinned."""

import numpy as np
import pytest

from sim.record.settings.distributions import Constant, Exponential, Lognormal, Uniform
from sim.world.random_streams import Streams

PINNED = [0.061184733749924725, 0.38105186960357074, 0.4127470060646269, 0.6329041115658316]


def draws(seed: int, purpose: str, *key: str | int) -> list[float]:
    drawn: list[float] = Streams(seed).stream(purpose, *key).random(4).tolist()
    return drawn


def test_a_name_always_gives_the_same_numbers() -> None:
    streams = Streams(3)
    first = streams.stream("fault", "client_1", 7).random(5)
    streams.stream("fault", "client_2", 7).random(1000)
    assert np.array_equal(first, streams.stream("fault", "client_1", 7).random(5))


def test_different_names_give_different_numbers() -> None:
    names: list[tuple[int, str, tuple[str | int, ...]]] = [
        (0, "fault", ()),
        (1, "fault", ()),
        (0, "fault", (1,)),
        (0, "fault", ("1",)),
        (0, "fault", (1, 1)),
        (0, "fault", (11,)),
        (0, "fault", ("a", "b")),
        (0, "fault", ("ab",)),
        (0, "faulta", ("b",)),
        (0, "fault", (-1,)),
        (2**32, "fault", ()),
    ]
    drawn = {tuple(draws(seed, purpose, *key)) for seed, purpose, key in names}
    assert len(drawn) == len(names)


def test_the_numbers_are_pinned() -> None:
    """A change here changes every result ever published: bump the major version."""
    assert draws(0, "fault", "client_0", 1) == PINNED


def test_more_draws_begin_with_the_same_ones() -> None:
    """So that adding a client leaves the other clients' draws alone."""
    for distribution in (
        Constant.model_validate({"distribution": "constant", "value": "2 s"}),
        Uniform.model_validate({"distribution": "uniform", "low": "1 s", "high": "3 s"}),
        Exponential.model_validate({"distribution": "exponential", "mean": "2 s"}),
        Lognormal.model_validate({"distribution": "lognormal", "median": "2 s", "sigma": 0.6}),
    ):
        few = distribution.draw(Streams(1).stream("speed"), 10)
        many = distribution.draw(Streams(1).stream("speed"), 11)
        assert np.array_equal(few, many[:10])


@pytest.mark.parametrize("n", [0, 20_000])
def test_distributions_have_the_moments_that_they_say(n: int) -> None:
    exponential = Exponential.model_validate({"distribution": "exponential", "mean": "2 s"})
    lognormal = Lognormal.model_validate(
        {"distribution": "lognormal", "median": "2 s", "sigma": 0.6}
    )
    uniform = Uniform.model_validate({"distribution": "uniform", "low": "1 s", "high": "3 s"})
    drawn = [d.draw(Streams(1).stream("x"), n) for d in (exponential, lognormal, uniform)]
    assert all(values.shape == (n,) for values in drawn)
    if n:
        assert drawn[0].mean() == pytest.approx(2, rel=0.03)
        assert np.median(drawn[1]) == pytest.approx(2, rel=0.03)
        assert np.log(drawn[1]).std() == pytest.approx(0.6, rel=0.03)
        assert drawn[2].mean() == pytest.approx(2, rel=0.03)
        assert drawn[2].min() >= 1 and drawn[2].max() <= 3


def test_a_longer_mean_stretches_the_same_draws() -> None:
    short = Exponential.model_validate({"distribution": "exponential", "mean": "1 s"})
    long = Exponential.model_validate({"distribution": "exponential", "mean": "4 s"})
    one = short.draw(Streams(1).stream("x"), 100)
    assert np.array_equal(4 * one, long.draw(Streams(1).stream("x"), 100))
