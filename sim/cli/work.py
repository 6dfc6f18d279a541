"""Runs and sweeps as a command or a program asks for them: where, with what, and what is told."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import KW_ONLY, dataclass
from pathlib import Path

from sim.cli.progress import progress_display
from sim.cli.terminal import STORE_LIMIT, console, say
from sim.record.errors import ScenarioError
from sim.record.units import parse
from sim.runs.session import Done, Session, asked_workers
from sim.runs.sweep import holds_some, run_one, run_sweep
from sim.scenario import Scenario, Sweep, restricted

FAILURES_SHOWN = 5


@dataclass(frozen=True)
class Means:
    """What work is done with: none of it changes a result.

    `workers`: see `sim.compute.Workers`. `store_limit`: how much disk the models under way may
    take. `scheduler`: of a Dask cluster that works instead, its address or its file. `accept_code`:
    whether tables may be made anew where the user's code has changed. `progress`: whether to say
    anything, such as how far it is, or what changes nothing, before the end.
    """

    workers: int | str = "auto"
    store_limit: str = STORE_LIMIT
    scheduler: str | None = None
    _: KW_ONLY
    accept_code: bool = False
    progress: bool = True


@dataclass(frozen=True)
class Finished:
    """Where the results are, and what was done for them now; None if they were there already."""

    folder: Path
    done: Done | None

    def failures(self) -> Iterator[str]:
        """A line for each run that has failed, for five at most, and what can be done."""
        failed = self.done.failed if self.done else []
        for record in failed[:FAILURES_SHOWN]:
            yield f"failed: {record.protocol} seed {record.seed}: {record.cause}"
        if failed:
            more = len(failed) - FAILURES_SHOWN
            yield (f"and {more} more failed; " if more > 0 else "") + "the same command tries again"


def run(
    scenario: Scenario,
    out: Path | None,
    means: Means,
    protocols: Sequence[str] = (),
    seeds: Sequence[int] = (),
) -> Finished:
    """Run a scenario, or continue it, in `out` or else `results/<name>`; () chooses all.

    Raises ScenarioError before anything is done, or if nothing can be written.
    """
    chosen = restricted(scenario, protocols, seeds)
    if chosen.sweep or chosen.tune:
        say("what the scenario says of a sweep is left out; `braintorrent sweep` runs it")
        chosen = chosen.model_copy(update={"sweep": None, "tune": None})
    folder = out or Path("results") / chosen.name
    with _session(folder, means) as session:
        return Finished(folder, run_one(chosen, session))


def sweep(grid: Sweep, out: Path | None, means: Means) -> Finished:
    """Run all points of a sweep, or continue, in `out` or else `results/<name>_sweep`.

    Raises ScenarioError as `run` does.
    """
    folder = _sweep_folder(grid, out)
    with _session(folder, means) as session:
        return Finished(folder, run_sweep(grid, session))


def has_begun(grid: Sweep, out: Path | None) -> Path | None:
    """The folder of a sweep, if it has some of it already. Raises ScenarioError as `sweep` does."""
    folder = _sweep_folder(grid, out)
    return folder if holds_some(grid, folder) else None


def _sweep_folder(grid: Sweep, out: Path | None) -> Path:
    return out or Path("results") / f"{grid.base.name}_sweep"


@contextmanager
def _session(folder: Path, means: Means) -> Iterator[Session]:
    """How the work is done; an interruption is noted where the folder has something of it."""
    try:
        limit_bytes = int(parse(means.store_limit, "B", STORE_LIMIT))
    except ValueError as mistake:
        raise ScenarioError(f"--store-limit {means.store_limit}: {mistake}") from None
    workers = asked_workers(means.workers)
    shown = progress_display(console(stderr=True)) if means.progress else nullcontext(_unseen)
    tell = say if means.progress else _unseen
    try:
        with shown as progress:
            yield Session(
                folder, workers, limit_bytes, tell, progress, means.scheduler, means.accept_code
            )
    except KeyboardInterrupt as interruption:
        if folder.exists():
            interruption.add_note(f"what is done is kept in {folder}; the same command continues")
        raise


def _unseen(now: object) -> None:
    """Nobody wants to know."""
