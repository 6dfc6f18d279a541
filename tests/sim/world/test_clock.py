"""The clock: order at one instant, its end, and how real work holds it."""

import asyncio
import gc
import math
import weakref
from collections.abc import Callable, Generator
from typing import Any

import pytest
import simpy

from sim.world.clock import EVENTS_PER_TURN, MOST_YOUNG, Clock, Tie

Process = Generator[simpy.Event, Any, None]


def run(clock: Clock, until_s: float) -> None:
    asyncio.run(clock.run_until(until_s))


def noted(event: simpy.Event, what: object, seen: list[object]) -> None:
    assert event.callbacks is not None
    event.callbacks.append(lambda _: seen.append(what))


def test_ties_come_in_their_documented_order_whatever_was_scheduled_first() -> None:
    clock = Clock()
    seen: list[object] = []
    for tie in reversed(Tie):
        noted(clock.after(1.0, tie), tie, seen)
    run(clock, 1.0)
    assert seen == [
        Tie.COMPUTED, Tie.ARRIVAL, Tie.FAULT, Tie.TIMEOUT, Tie.OBSERVER, Tie.SETTLE
    ]  # fmt: skip


def test_equal_ties_come_in_the_order_of_scheduling() -> None:
    clock = Clock()
    seen: list[object] = []
    for number in range(5):
        noted(clock.at(1.0), number, seen)
    run(clock, 1.0)
    assert seen == [0, 1, 2, 3, 4]


def test_after_and_at_carry_their_value_and_instant() -> None:
    clock = Clock()
    seen: list[tuple[float, object]] = []

    def waiting() -> Process:
        value = yield clock.after(0.1, value="a")
        seen.append((clock.now, value))
        value = yield clock.at(0.3, value="b")
        seen.append((clock.now, value))

    clock.process(waiting())
    run(clock, 1.0)
    assert seen == [(0.1, "a"), (0.3, "b")]


def test_it_takes_the_events_at_its_end_and_none_after_it() -> None:
    clock = Clock()
    seen: list[object] = []
    for time_s in (2.0, math.nextafter(2.0, 3.0)):
        noted(clock.at(time_s), time_s, seen)
    run(clock, 2.0)
    assert (seen, clock.now) == ([2.0], 2.0)
    run(clock, 5.0)
    assert (len(seen), clock.now) == (2, 5.0)


@pytest.mark.parametrize("delay_s", [-1.0, math.nan, math.inf])
def test_a_delay_that_is_none_is_refused(delay_s: float) -> None:
    with pytest.raises(ValueError, match="delay_s is"):
        Clock().after(delay_s)


@pytest.mark.parametrize("time_s", [1.0, math.nan, math.inf])
def test_no_event_and_no_end_lies_in_the_past(time_s: float) -> None:
    clock = Clock()
    run(clock, 2.0)
    with pytest.raises(ValueError, match="time_s is"):
        clock.at(time_s)
    with pytest.raises(ValueError, match="until_s is"):
        run(clock, time_s)
    assert clock.now == 2.0


def test_stop_ends_at_the_present_instant() -> None:
    clock = Clock()
    noted(clock.at(4.0), None, [])
    event = clock.at(3.0)
    assert event.callbacks is not None
    event.callbacks.append(lambda _: clock.stop())
    run(clock, 9.0)
    assert clock.now == 3.0


def test_an_exception_in_a_process_propagates() -> None:
    clock = Clock()

    def failing() -> Process:
        yield clock.after(1.0)
        raise KeyError("cause")

    clock.process(failing())
    with pytest.raises(KeyError, match="cause"):
        run(clock, 2.0)


async def later(value: object, turns: int) -> object:
    for _ in range(turns):
        await asyncio.sleep(0)
    return value


@pytest.mark.parametrize("turns", [(9, 0), (0, 9), (3, 3)])
def test_everything_stands_still_until_the_numbers_are_there(turns: tuple[int, int]) -> None:
    clock = Clock()
    seen: list[object] = []

    def asking(name: str, wait: simpy.Event, number: asyncio.Task[object]) -> Process:
        yield wait
        value = yield clock.number(number)
        seen.append((clock.now, name, value))

    async def scene() -> None:
        wait = clock.after(1.0)
        for name, each in zip("ab", turns, strict=True):
            clock.process(asking(name, wait, asyncio.create_task(later(name, each))))
        noted(clock.at(1.0, Tie.OBSERVER), "the rest", seen)
        await clock.run_until(2.0)

    asyncio.run(scene())
    assert seen == [(1.0, "a", "a"), (1.0, "b", "b"), "the rest"]


def test_two_numbers_of_one_event_are_both_there_before_the_next() -> None:
    clock = Clock()
    done: list[bool] = []

    async def scene() -> None:
        first, second = (asyncio.create_task(later(None, turns)) for turns in (0, 20))

        def ask(_: simpy.Event) -> None:
            event = clock.number(first)
            clock.number(second)
            assert event.callbacks is not None
            event.callbacks.append(lambda _: done.append(second.done()))

        event = clock.after(1.0)
        assert event.callbacks is not None
        event.callbacks.append(ask)
        await clock.run_until(2.0)

    asyncio.run(scene())
    assert done == [True]


def test_the_failure_of_a_number_ends_the_run() -> None:
    async def scene() -> None:
        clock = Clock()
        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        failed.set_exception(RuntimeError("no score"))
        clock.number(failed)
        await clock.run_until(1.0)

    with pytest.raises(RuntimeError, match="no score"):
        asyncio.run(scene())


def test_the_loop_and_the_throttle_get_their_turn() -> None:
    clock, turns = Clock(), []

    async def throttle() -> None:
        turns.append(clock.events)

    for _ in range(3 * EVENTS_PER_TURN - 1):
        clock.after(1.0)
    asyncio.run(clock.run_until(1.0, throttle))
    assert turns == [EVENTS_PER_TURN, 2 * EVENTS_PER_TURN]


def test_the_garbage_collector_is_back_after_a_run_and_after_a_failure() -> None:
    clock = Clock()
    seen: list[bool] = []

    def failing() -> Process:
        yield clock.after(1.0)
        seen.append(gc.isenabled())
        yield clock.after(1.0)
        raise RuntimeError

    clock.process(failing())
    run(clock, 1.0)
    assert gc.isenabled()
    with pytest.raises(RuntimeError):
        run(clock, 2.0)
    assert gc.isenabled()
    assert seen == [False]


def test_new_garbage_is_collected_while_the_clock_runs() -> None:
    class Cycle:
        def __init__(self) -> None:
            self.itself = self

    clock = Clock()
    cycles: list[weakref.ref[Cycle]] = []
    left: list[bool] = []

    def littering() -> Process:
        cycles.extend(weakref.ref(Cycle()) for _ in range(MOST_YOUNG))
        for _ in range(2 * EVENTS_PER_TURN):
            yield clock.after(0.0)
        left.append(any(cycle() is not None for cycle in cycles))

    clock.process(littering())
    run(clock, 1.0)
    assert left == [False]


def spinning(clock: Clock) -> Process:
    while True:
        yield clock.after(0.0)


def spinning_by_two(clock: Clock) -> Process:
    while True:
        yield simpy.AnyOf(clock, [clock.event(), clock.after(0.0)])


def resting(clock: Clock) -> Process:
    for _ in range(20 * EVENTS_PER_TURN):
        yield clock.after(1e-6)


@pytest.mark.parametrize("spins", [spinning, spinning_by_two])
def test_a_process_that_lets_no_time_pass_is_told_with_its_line(
    spins: Callable[[Clock], Process],
) -> None:
    clock = Clock(most_at_once=10 * EVENTS_PER_TURN)
    clock.process(resting(clock))
    clock.process(spins(clock))
    with pytest.raises(RuntimeError, match="10,000 events at 0 s, and no time passes") as told:
        run(clock, 1.0)
    assert told.traceback[-1].name == spins.__name__
    assert clock.events < 13 * EVENTS_PER_TURN


def test_much_may_happen_at_one_instant_after_another() -> None:
    clock = Clock(most_at_once=2 * EVENTS_PER_TURN)
    clock.process(resting(clock))
    run(clock, 1.0)
    assert clock.now == 1.0


def test_whoever_yields_no_event_is_told_with_its_line() -> None:
    clock = Clock()

    def wrong() -> Process:
        yield clock.after(1.0)
        yield 3  # type: ignore[misc]

    def caller() -> Process:
        yield from wrong()

    clock.process(caller())
    with pytest.raises(TypeError, match='Invalid yield value "3": no event of the clock') as told:
        run(clock, 2.0)
    assert told.traceback[-1].name == "wrong"
