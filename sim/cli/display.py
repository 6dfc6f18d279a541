"""What a run looks like on a screen: progress while it goes, and the closing table.

A room of its own because layout changes for other reasons than commands do. Nothing here prints by
itself: the command line hands over the console to draw on.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from rich import box
from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bars
from rich.table import Table
from rich.text import Text

from sim.cli.summary import ProtocolSummary, Spread, Summary
from sim.cli.sweep_summary import Estimate, SweepLine, SweepSummary
from sim.record.points import tails
from sim.runs.plan import Plan
from sim.runs.session import Progress

# A log is read afterwards, where a line every few seconds tells enough.
SECONDS_BETWEEN_LINES = 5.0

Report = Callable[[Progress], None]


@contextmanager
def progress_display(console: Console) -> Iterator[Report]:
    """Lend a callback that shows progress: two live bars on a terminal, plain lines elsewhere."""
    remaining = Remaining()
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

        def report(now: Progress) -> None:
            latest = now.latest if now.simulated_runs < now.total_runs else None
            stepped = latest.virtual_s / latest.duration_s if latest else 0.0
            done = now.simulated_runs + min(stepped, 1.0)
            bars.update(clock, completed=done, total=now.total_runs, note=_world_text(now))
            note = f"{_work_text(now)}, {remaining.text(now)}"
            total = now.done_s + now.left_s or None
            bars.update(work, completed=now.done_s, total=total, note=note)

        yield report


class Remaining:
    """How much longer it takes, from the work that was done per second so far.

    `clock` gives real seconds. Waiting for workers to start does not count.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._first: tuple[float, float] | None = None

    def text(self, now: Progress) -> str:
        """For example `4.2 min left`; "at least" while not all that will be asked is known."""
        if now.done_s == 0:
            return "starting"
        if self._first is None:
            self._first = (self._clock(), now.done_s)
        since_s, done_s = self._clock() - self._first[0], now.done_s - self._first[1]
        if not done_s or not since_s:
            return "starting"
        known = now.simulated_runs == now.total_runs and now.left_is_known
        return f"{'' if known else 'at least '}{time_text(now.left_s * since_s / done_s)} left"


def plain_lines(
    console: Console, remaining: Remaining, clock: Callable[[], float] = time.monotonic
) -> Report:
    """Return a callback that prints a line every few seconds, and one at the end.

    `clock` gives real seconds.
    """
    printed_s = clock()
    ended = False

    def report(now: Progress) -> None:
        nonlocal printed_s, ended
        ends = now.finished_runs == now.total_runs and not ended
        left = remaining.text(now)
        if not ends and clock() - printed_s < SECONDS_BETWEEN_LINES:
            return
        printed_s, ended = clock(), ended or ends
        world = f"{_clock_text(now)}, " if now.simulated_runs < now.total_runs else ""
        console.print(
            f"{now.finished_runs}/{now.total_runs} runs, {world}{_work_text(now)}"
            + ("" if ends else f", {left}"),
            markup=False,
            highlight=False,
            soft_wrap=True,
        )

    return report


def _world_text(now: Progress) -> str:
    runs = f"{now.simulated_runs}/{now.total_runs} runs"
    return runs if now.simulated_runs == now.total_runs else f"{runs}, {_clock_text(now)}"


def _clock_text(now: Progress) -> str:
    if (run := now.latest) is None:
        return "starting"
    return (
        f"{run.run}: {time_text(run.virtual_s)}, "
        f"{run.local_rounds:,} local rounds, {run.up} up {run.down} down"
    )


def _work_text(now: Progress) -> str:
    return (
        f"{now.trained:,} of {now.demanded:,} trainings and "
        f"{now.evaluated:,} of {now.evaluations:,} evaluations done"
    )


def summary_table(summary: Summary) -> Table:
    """Return the summary as a table for a terminal of 100 columns."""
    seeds = len(summary.seeds)
    table = Table(
        title=Text(
            f"{summary.scenario}: {summary.metric}, "
            + ("1 seed" if seeds == 1 else f"{seeds} seeds, ± standard deviation over seeds")
        ),
        caption="rounds and bytes: per seed" if seeds > 1 else None,
        box=box.SIMPLE_HEAD,
        padding=0,
        title_justify="left",
        caption_justify="left",
    )
    columns = _table_columns(summary)
    table.add_column("protocol", overflow="fold", max_width=16)
    for heading in columns:
        table.add_column(heading, justify="right")
    for line in summary.protocols:
        table.add_row(Text(line.protocol), *(show(line) for show in columns.values()))
    return table


def _table_columns(summary: Summary) -> Mapping[str, Callable[[ProtocolSummary], str]]:
    columns: dict[str, Callable[[ProtocolSummary], str]] = {
        "mean\nclient": lambda line: _spread_text(line.mean_client),
        "worst\nclient": lambda line: _spread_text(line.worst_client),
        "aggre-\ngate": lambda line: f"{line.aggregate.mean:.3f}" if line.aggregate else "-",
    }
    if summary.target is not None:
        columns[f"time to\n{summary.target:g}"] = lambda line: _target_text(line, summary)
    columns |= {
        "rounds\ndone": lambda line: f"{line.local_rounds_done:,.0f}",
        "rounds\nlost": lambda line: f"{line.local_rounds_lost:,.0f}",
        "bytes\nreceived": lambda line: bytes_text(line.bytes_delivered),
    }
    if summary.crash_s is not None:
        columns["progress\nafter crash"] = lambda line: _spread_text(
            line.progress_after_crash, sign="+"
        )
    return columns


def plan_lines(plan: Plan) -> Iterator[str]:
    """Yield what a sweep will take, as people read it."""
    share = plan.steps / plan.steps_asked if plan.steps_asked else 1.0
    most = "at most " if plan.may_stop_early else ""
    yield f"{plan.points:,} points, {plan.runs:,} runs, {most}{plan.local_rounds:,} local rounds"
    yield (
        f"training steps: {most}{plan.steps_asked:,} asked for, {plan.steps:,} left after sharing "
        f"({share:.0%}); {plan.evaluations:,} evaluations"
    )
    yield (
        f"estimate: {time_text(plan.time_s)} in all with {max(1, plan.workers)} "
        f"worker{'' if plan.workers == 1 else 's'}, {bytes_text(plan.memory_bytes)} of memory, "
        f"{bytes_text(plan.store_bytes)} of models (--store-limit holds them to less)"
    )
    if plan.kept_bytes:
        yield f"final models kept in the results: {bytes_text(plan.kept_bytes)}"
    if plan.may_stop_early:
        yield "stop_when may end runs earlier"


def sweep_table(summary: SweepSummary) -> Table:
    """Return a sweep's summary as a table for a terminal of 100 columns."""
    seeds = len(summary.seeds)
    over = "1 seed" if seeds == 1 else f"mean ± 95 % interval over {seeds} seeds"
    table = Table(
        title=Text(f"{summary.scenario}: final {summary.metric}, {over}"),
        caption=None
        if all(_with_score(line) == line.seeds for line in summary.lines)
        else "runs: those with a score, of all",
        box=box.SIMPLE_HEAD,
        padding=0,
        title_justify="left",
        caption_justify="left",
    )
    for tail in tails(summary.paths):
        # A heading may break after each of its dots.
        heading = Text(tail.replace(".", ".\n"))
        table.add_column(heading, overflow="fold", max_width=16, justify="right")
    columns = _sweep_columns(summary)
    table.add_column("protocol", overflow="fold", max_width=16)
    for title in columns:
        table.add_column(Text(title), justify="right", overflow="fold")
    last = None
    for line in summary.lines:
        values = line.written.values() if line.point != last else [""] * len(summary.paths)
        last = line.point
        cells = [*values, line.protocol, *(show(line) for show in columns.values())]
        table.add_row(*map(Text, cells))
    return table


def _sweep_columns(summary: SweepSummary) -> Mapping[str, Callable[[SweepLine], str]]:
    columns: dict[str, Callable[[SweepLine], str]] = {
        "mean\nclient": lambda line: _estimate_text(line.mean_client)
    }
    if any(line.aggregate for line in summary.lines):
        columns["aggregate"] = lambda line: _estimate_text(line.aggregate)
    if summary.reference is not None:
        columns[f"minus\n{summary.reference}"] = lambda line: _estimate_text(line.difference, "+")
    columns["runs"] = lambda line: (
        f"{line.mean_client.count if line.mean_client else 0}/{line.seeds}"
    )
    return columns


def _with_score(line: SweepLine) -> int:
    return line.mean_client.count if line.mean_client else 0


def time_text(seconds: float) -> str:
    """Return a virtual time as people say it, for example `12.5 min`."""
    # Minutes stay minutes up to two hours, because that is how long a simulated run lasts.
    for unit, size, least in (("h", 3600.0, 7200.0), ("min", 60.0, 60.0)):
        if seconds >= least:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"


def bytes_text(size_bytes: float) -> str:
    """Return a size in decimal units, for example `1.2 MB`."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size_bytes >= size:
            return f"{size_bytes / size:.1f} {unit}"
    return f"{size_bytes:.0f} B"


def _spread_text(spread: Spread | None, sign: str = "") -> str:
    if spread is None:
        return "-"
    mean = f"{spread.mean:{sign}.3f}"
    return mean if spread.std is None else f"{mean} ±{spread.std:.3f}"


def _estimate_text(found: Estimate | None, sign: str = "") -> str:
    if found is None:
        return "-"
    mean = f"{found.mean:{sign}.3f}"
    return mean if found.half_width is None else f"{mean} ±{found.half_width:.3f}"


def _target_text(line: ProtocolSummary, summary: Summary) -> str:
    if line.time_to_target_s is None:
        return "not reached"
    reached = time_text(line.time_to_target_s.mean)
    if line.time_to_target_s.count == len(summary.seeds):
        return reached
    return f"{reached}, {line.time_to_target_s.count}/{len(summary.seeds)}"
