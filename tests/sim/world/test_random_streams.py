"""Named streams: repeatable, independent of each other, and pinned."""

import numpy as np
import pytest

from sim.record.settings import Constant, Exponential, Lognormal, Uniform
from sim.world.random_streams import Ints, Streams

PINNED = [0.061184733749924725, 0.38105186960357074, 0.4127470060646269, 0.6329041115658316]
PINNED_UNIFORMS = [0.7050906466985327, 0.8143859956118029, 0.9327947616109658]


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


COUNT = 40_000
FIVE_SIGMAS = 5 / np.sqrt(COUNT)


@pytest.mark.parametrize("varied", [0, 1, 2])
def test_named_draws_are_uniform_and_follow_no_order(varied: int) -> None:
    """Whichever of their numbers counts up: an error of more than five standard deviations."""
    numbers: list[Ints | int] = [3, (1 << 32) - 1, 0]
    numbers[varied] = np.arange(COUNT)
    drawn = Streams(0).uniforms("ask", *numbers)
    assert drawn.min() >= 0 and drawn.max() < 1
    # A uniform number has variance 1/12, its square distance from the middle one of 1/180.
    centred = drawn - 0.5
    assert abs(centred.mean()) < FIVE_SIGMAS * np.sqrt(1 / 12)
    assert abs((centred**2).mean() - 1 / 12) < FIVE_SIGMAS * np.sqrt(1 / 180)
    for lag in (1, 2, 7):
        assert abs((centred[lag:] * centred[:-lag]).mean()) < FIVE_SIGMAS / 12
    for chance in (0.001, 0.05, 0.5):
        bound = FIVE_SIGMAS * np.sqrt(chance * (1 - chance))
        assert abs((drawn < chance).mean() - chance) < bound


def test_neighbours_in_two_numbers_are_independent() -> None:
    side = 200
    grid = Streams(0).uniforms("ask", np.arange(side)[:, None], np.arange(side)[None, :]) - 0.5
    for other in (grid[1:, 1:] * grid[:-1, :-1], grid[1:, :-1] * grid[:-1, 1:], grid * grid.T):
        distinct = other[~np.eye(len(other), dtype=np.bool_)]
        # Of the product with the transpose each pair is there twice.
        assert abs(distinct.mean()) < 5 * np.sqrt(2) / 12 / np.sqrt(len(distinct))


def test_a_named_draw_is_the_same_alone_and_among_others() -> None:
    streams, rows, columns = Streams(0), np.arange(3)[:, None], np.arange(4)
    grid = streams.uniforms("ask", rows, columns, 7)
    assert grid.shape == (3, 4)
    for row in range(3):
        assert streams.uniforms("ask", row, columns, 7).tolist() == grid[row].tolist()
        assert [streams.uniforms("ask", row, k, 7).tolist() for k in range(4)] == [
            [luck] for luck in grid[row].tolist()
        ]
    assert streams.uniforms("ask", columns[:0], 7).shape == (0,)


def test_draws_of_different_names_differ() -> None:
    names: list[tuple[int, str, tuple[int, ...]]] = [
        (0, "ask", ()),
        (1, "ask", ()),
        (0, "asked", ()),
        (0, "ask", (0,)),
        (0, "ask", (-1,)),
        (0, "ask", (0, 0)),
        (0, "ask", (0, 1)),
        (0, "ask", (1, 0)),
        (0, "ask", (1,)),
        (0, "ask", ((1 << 32) - 1,)),
        (0, "ask", (0, 0, 0)),
    ]
    drawn = {float(Streams(seed).uniforms(purpose, *key)[0]) for seed, purpose, key in names}
    assert len(drawn) == len(names)


def test_named_draws_are_pinned() -> None:
    """A change here changes every result ever published: bump the major version."""
    assert Streams(0).uniforms("ask", 1, np.arange(3)).tolist() == PINNED_UNIFORMS
