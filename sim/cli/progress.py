"""What is told before the end: what a sweep will take, and how far the work is."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bars
from rich.text import Text

from sim.record.points import tails
from sim.record.words import bytes_text, plain_text, time_text
from sim.runs.plan import Plan
from sim.runs.session import Progress

# A log is read afterwards, where a line every few seconds tells enough.
SECONDS_BETWEEN_LINES = 5.0
# The first work tells little: workers still load, compile and wait for each other.
SHARE_BEFORE_A_GUESS = 0.1
SECONDS_BEFORE_A_GUESS = 60.0
NOT_YET = "time left not known yet"

Show = Callable[[Progress], None]


@contextmanager
def progress_display(console: Console) -> Iterator[Show]:
    """Lend a callback that shows progress: two live bars on a terminal, plain lines elsewhere.

    In a notebook it is one line of the cell.
    """
    remaining = Remaining()
    if console.is_jupyter:
        yield one_line(remaining)
        return
    if not console.is_terminal:
        yield plain_lines(console, remaining)
        return
    with Bars(
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        TextColumn("{task.percentage:>3.0f}%"),
        TextColumn("{task.fields[note]}", markup=False),
        console=console,
        transient=True,
    ) as bars:
        clock = bars.add_task("virtual time", total=None, note="")
        work = bars.add_task("real work", total=None, note="")

        def show(now: Progress) -> None:
            latest = now.latest if now.simulated_runs < now.total_runs else None
            stepped = latest.virtual_s / latest.duration_s if latest else 0.0
            done = now.simulated_runs + min(stepped, 1.0)
            bars.update(clock, completed=done, total=now.total_runs, note=_world_text(now))
            runs = f"{now.finished_runs}/{now.total_runs} runs"
            note = f"{runs}, {_work_text(now)}, {remaining.text(now)}"
            total = now.done_s + now.left_s or None
            learns = now.demanded + now.evaluations > 0
            bars.update(work, completed=now.done_s, total=total, note=note, visible=learns)

        yield show


class Remaining:
    """How much longer it takes, from the work that was done per second so far.

    `clock` gives real seconds. Waiting for workers to start, and to warm up, does not count.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._first: tuple[float, float] | None = None

    def text(self, now: Progress) -> str:
        """For example `4.2 min left`; "at least" while not all that will be asked is known.

        "starting" until something is done, then "time left not known yet" until what was timed
        can stand for what is left.
        """
        if now.trained + now.evaluated == 0:
            return "starting"
        if self._first is None:
            if not now.left_is_known or not now.done_s:
                return NOT_YET
            self._first = (self._clock(), now.done_s)
        since_s, done_s = self._clock() - self._first[0], now.done_s - self._first[1]
        enough = done_s > SHARE_BEFORE_A_GUESS * (now.done_s + now.left_s)
        if not done_s or not (enough or since_s > SECONDS_BEFORE_A_GUESS):
            return NOT_YET
        known = now.simulated_runs == now.total_runs and now.left_is_known
        return f"{'' if known else 'at least '}{time_text(now.left_s * since_s / done_s)} left"


def plain_lines(
    console: Console, remaining: Remaining, clock: Callable[[], float] = time.monotonic
) -> Show:
    """Return a callback that prints a line every few seconds, and one at the end.

    `clock` gives real seconds.
    """
    printed_s = clock()
    ended = False

    def show(now: Progress) -> None:
        nonlocal printed_s, ended
        ends = now.finished_runs == now.total_runs and not ended
        line = _line(now, remaining)
        if not ends and clock() - printed_s < SECONDS_BETWEEN_LINES:
            return
        printed_s, ended = clock(), ended or ends
        console.print(Text(line), soft_wrap=True)

    return show


def one_line(remaining: Remaining) -> Show:
    """Return a callback that keeps one line of a notebook's cell up to date."""
    from IPython.display import DisplayHandle

    handle, shown = DisplayHandle(), ""

    def show(now: Progress) -> None:
        nonlocal shown
        line = _line(now, remaining)
        if not shown:
            handle.display({"text/plain": line}, raw=True)
        elif line != shown:
            handle.update({"text/plain": line}, raw=True)
        shown = line

    return show


def _line(now: Progress, remaining: Remaining) -> str:
    parts = [f"{now.finished_runs}/{now.total_runs} runs"]
    if now.simulated_runs < now.total_runs:
        parts.append(_clock_text(now))
    if now.demanded + now.evaluations:  # Where nobody learns nothing is.
        parts.append(_work_text(now))
        if now.finished_runs < now.total_runs:
            parts.append(remaining.text(now))
    return ", ".join(parts)


def _world_text(now: Progress) -> str:
    runs = f"{now.simulated_runs}/{now.total_runs} clocks at their end"
    return runs if now.simulated_runs == now.total_runs else f"{runs}, {_clock_text(now)}"


def _clock_text(now: Progress) -> str:
    if (run := now.latest) is None:
        return "starting"
    return (
        f"{plain_text(run.run)}: {time_text(run.virtual_s)} of {time_text(run.duration_s)}, "
        f"{run.local_rounds:,} local rounds, {run.up} up {run.down} down"
    )


def _work_text(now: Progress) -> str:
    return (
        f"{now.trained:,} of {now.demanded:,} trainings and "
        f"{now.evaluated:,} of {now.evaluations:,} evaluations done"
    )


def point_lines(points: Mapping[str, Mapping[str, str]]) -> Iterator[str]:
    """Yield what is varied, by point and path, as a table with a column for each path."""
    paths = list(next(iter(points.values())))
    rows = [["point", *tails(paths)], *([name, *one.values()] for name, one in points.items())]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()


def plan_lines(plan: Plan) -> Iterator[str]:
    """Yield what a sweep will take, as people read it."""
    share = plan.steps / plan.steps_asked if plan.steps_asked else 1.0
    most = "at most " if plan.may_stop_early else ""
    yield f"{plan.points:,} points, {plan.runs:,} runs, {most}{plan.local_rounds:,} local rounds"
    yield (
        f"training steps: {most}{plan.steps_asked:,} asked for, {plan.steps:,} left after sharing "
        f"({share:.0%}); {plan.evaluations:,} evaluations"
    )
    cores = f"{max(1, plan.workers)} idle core{'' if plan.workers <= 1 else 's'}"
    yield (
        f"estimate: {time_text(plan.time_s)} of clocks, training and scoring on {cores}, "
        f"{bytes_text(plan.memory_bytes)} of memory, {bytes_text(plan.store_bytes)} of models "
        "(--store-limit holds them to less)"
    )
    if plan.kept_bytes:
        yield f"final models kept in the results: {bytes_text(plan.kept_bytes)}"
    if plan.may_stop_early:
        yield "stop_when may end runs earlier"
