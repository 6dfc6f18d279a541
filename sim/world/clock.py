"""The virtual clock: a SimPy environment stepped by an asyncio coroutine.

Real work runs beside it in the same asyncio loop. A SimPy process that needs a number of it yields
`clock.number(future)`; virtual time, and every other event, then stands still until it is there.
"""

import asyncio
import gc
import heapq
import math
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Any

import simpy
from simpy.events import PENDING

EVENTS_PER_TURN = 1_000
"""After so many events the asyncio loop gets its turn: a turn at every event costs four times."""
MOST_AT_ONCE = 100_000
"""Events at one instant, in a world of few nodes: far above what any protocol needs."""
MOST_YOUNG = 100_000
"""So many new objects make the garbage collector look through them."""


class Tie(IntEnum):
    """The order of what happens at one virtual instant (SimPy's own: 0 urgent, 1 normal).

    What a node has computed is done before anything reaches it: whoever asks at the instant at
    which a training ends gets the new model. Messages of one instant arrive in the order in which
    they were sent, transfers in that in which their bytes began to flow; what arrives at the
    instant of a crash comes before it.
    """

    COMPUTED = 1
    ARRIVAL = 2
    FAULT = 3
    TIMEOUT = 4
    OBSERVER = 5
    SETTLE = 6


class Clock(simpy.Environment):
    """Virtual time in seconds, from 0; it has to go on before `most_at_once` events."""

    def __init__(self, most_at_once: int = MOST_AT_ONCE) -> None:
        super().__init__()
        self.events = 0
        self._most_at_once = most_at_once
        self._moved = 0  # How many events there were when time was last seen to have passed.
        self._seen_s = 0.0
        self._stopped = False
        self._awaited: list[tuple[simpy.Event, asyncio.Future[Any]]] = []

    def after(self, delay_s: float, tie: Tie = Tie.COMPUTED, value: Any = None) -> simpy.Event:
        """An event `delay_s` from now. Raises ValueError if that is negative or not finite."""
        if not 0 <= delay_s < math.inf:
            raise ValueError(f"delay_s is {delay_s}; it must be finite and not negative")
        return self._scheduled(self.now + delay_s, tie, value)

    def at(self, time_s: float, tie: Tie = Tie.COMPUTED, value: Any = None) -> simpy.Event:
        """An event at exactly `time_s`. Raises ValueError if that is past or not finite."""
        if not self.now <= time_s < math.inf:
            raise ValueError(f"time_s is {time_s}; it must be finite and not before {self.now}")
        return self._scheduled(time_s, tie, value)

    def _scheduled(self, time_s: float, tie: Tie, value: Any) -> simpy.Event:
        # As simpy.Timeout does, but with a priority, and at an instant that no sum has rounded.
        event = simpy.Event(self)
        event._ok = True
        event._value = value
        heapq.heappush(self._queue, (time_s, tie, next(self._eid), event))  # type: ignore[misc]
        return event

    def call_at(self, time_s: float, tie: Tie, act: Callable[[Any], object]) -> None:
        """Call `act` at exactly `time_s`, with an argument that says nothing.

        An event that nobody waits for, at half the cost of one. Raises ValueError as `at` does.
        """
        if not self._now <= time_s < math.inf:
            raise ValueError(f"time_s is {time_s}; it must be finite and not before {self.now}")
        heapq.heappush(self._queue, (time_s, tie, next(self._eid), _Call(act)))  # type: ignore[misc]

    def first_of(self, *events: simpy.Event) -> simpy.Event:
        """An event without a value that happens when the first of `events` has, or fails with it.

        As `simpy.AnyOf`, which also says what else has happened, at half its cost.
        """
        return _First(self, events)

    def number(self, result: asyncio.Future[Any]) -> simpy.Event:
        """An event with the result of real work; no virtual time passes until it is there."""
        event = self.event()
        self._awaited.append((event, result))
        return event

    def stop(self) -> None:
        """End `run_until` at the present instant."""
        self._stopped = True

    async def run_until(
        self, until_s: float, throttle: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        """Step every event up to and at `until_s`; an exception in a process propagates.

        The asyncio loop gets its turn every `EVENTS_PER_TURN` events, and `throttle` is awaited
        there: it may hold the clock back while real work catches up. Raises ValueError if
        `until_s` is past or not finite.
        """
        if not self.now <= until_s < math.inf:
            raise ValueError(f"until_s is {until_s}; it must be finite and not before {self.now}")
        with old_objects_left_alone():
            while not self._stopped:
                while self._awaited:
                    event, result = self._awaited.pop(0)
                    event.succeed(await result)
                if self.peek() > until_s:
                    self._now = until_s
                    return
                try:
                    self._step_on(until_s)
                except RuntimeError as error:
                    self._explain(error)
                    raise
                if self.events % EVENTS_PER_TURN == 0:
                    self._check_progress()
                    _collect_the_young()
                    await asyncio.sleep(0)
                    if throttle is not None:
                        await throttle()

    def _step_on(self, until_s: float) -> None:
        """Step at least once, and on until the loop's turn has come, or nothing is left to step."""
        step, queue = self.step, self._queue
        while True:
            step()
            self.events += 1
            if self.events % EVENTS_PER_TURN == 0 or self._awaited or self._stopped:
                return
            if not queue or queue[0][0] > until_s:
                return

    def _explain(self, error: RuntimeError) -> None:
        # SimPy leaves the process active that has yielded what is no event.
        if self.active_process is not None:
            what = str(error).rpartition("\n")[2]
            _raise_within(self.active_process, TypeError(f"{what}: no event of the clock"))

    def _check_progress(self) -> None:
        if self.now > self._seen_s:
            self._seen_s, self._moved = self.now, self.events
        elif self.events - self._moved > self._most_at_once:
            what = f"{self._most_at_once:,} events at {self.now:g} s, and no time passes"
            _raise_within(self._busiest(), RuntimeError(what))

    def _busiest(self) -> simpy.Process | None:
        """Whom most of the next events wake."""
        woken: Counter[simpy.Process] = Counter()
        for _ in range(EVENTS_PER_TURN):
            if self.peek() > self.now:
                break
            woken.update(_wakes(self._queue[0][3]))
            self.step()
        return max(woken, key=lambda process: woken[process], default=None)


class _Call:
    """What the queue holds in the place of an event that nobody waits for."""

    __slots__ = ("callbacks",)
    _ok = True

    def __init__(self, act: Callable[[Any], object]) -> None:
        self.callbacks: tuple[Callable[[Any], object], ...] | None = (act,)


class _First(simpy.Event):
    """See Clock.first_of."""

    def __init__(self, clock: Clock, events: tuple[simpy.Event, ...]) -> None:
        super().__init__(clock)
        self._events = events
        for event in events:
            if event.processed:
                self._happen_as(event)
                return
        for event in events:
            event.callbacks.append(self._one_has)

    def _one_has(self, event: simpy.Event) -> None:
        if self._value is not PENDING:  # It was given twice.
            return
        for other in self._events:
            if other.callbacks:
                other.callbacks.remove(self._one_has)
        self._happen_as(event)

    def _happen_as(self, event: simpy.Event) -> None:
        if event._ok:
            self.succeed()
        else:
            event.defused = True
            self.fail(event._value)


def _wakes(event: simpy.Event) -> Iterator[simpy.Process]:
    """The processes that go on when an event has happened, if all else is there that they await."""
    for callback in event.callbacks or ():
        match getattr(callback, "__self__", None):
            case simpy.Process() as process:
                yield process
            case simpy.Event() as condition if condition is not event:
                yield from _wakes(condition)


def _raise_within(process: simpy.Process | None, error: Exception) -> None:
    """Raise an error where a process stands: its traceback then says whose line that is."""
    if process is not None and process.is_alive:
        process._generator.throw(error)
    raise error


@contextmanager
def old_objects_left_alone() -> Iterator[None]:
    """Keep the garbage collector from looking through a world again and again, as it grows.

    A world makes hardly any cycles, but millions of objects that stay, such as the trace's rows: to
    search them took a third of the time at ten thousand clients. Cycles among new objects, of the
    real work that may go on in this process, are still found.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _collect_the_young() -> None:
    if gc.get_count()[0] > MOST_YOUNG:
        gc.collect(1)  # Generations 0 and 1: what has come since the last collection.
