"""Named streams: repeatable, independent of each other, and pinned."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

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


@given(st.integers(0, 2**32), st.lists(st.integers(0, 2**40), max_size=4))
def test_one_draw_is_that_of_many(seed: int, numbers: list[int]) -> None:
    streams = Streams(seed)
    assert [streams.uniform("ask", *numbers)] == streams.uniforms("ask", *numbers).tolist()


@pytest.mark.parametrize("count", [1, 2, 31, 32, 33, 512, 513, 1000, 1024, 1025, 3000])
def test_a_shuffled_whole_has_each_once_and_begins_with_small_blocks(count: int) -> None:
    blocks = [block.tolist() for block in Streams(5).shuffled(count, "sample", 3)]
    order = list(itertools.chain.from_iterable(blocks))
    assert sorted(order) == list(range(count))
    assert len(blocks[0]) <= 32
    again = Streams(5).shuffled(count, "sample", 3)
    assert order == np.concatenate([*again]).tolist()


@pytest.mark.parametrize("count", [40, 700])
def test_every_place_of_a_shuffled_whole_is_anybodys(count: int) -> None:
    # A tenth of the places, four hundred times: each comes forty times there, give or take 6.
    places = np.zeros(count)
    for number in range(400):
        order = np.concatenate([*Streams(1).shuffled(count, "sample", number)])
        places[order[: count // 10]] += 1
        places[order[-(count // 10) :]] += 1
    assert places.mean() == 80
    assert np.abs(places - 80).max() < 6 * np.sqrt(80)


@pytest.mark.parametrize(("few", "many"), [(40, 41), (700, 900)])
def test_more_come_in_between_those_that_are_there(few: int, many: int) -> None:
    def first(count: int) -> list[int]:
        # Of many, three quarters and more are found before all are looked at.
        order = np.concatenate([*itertools.islice(Streams(2).shuffled(count, "sample", 0), 3)])
        return [one for one in order.tolist() if one < few][:100]

    assert first(few)[: len(first(many))] == first(many)[: len(first(few))]
