"""The command line: what it is made of, and the commands that simulate; only commands print.

Commands import what they need when they run: `--help`, `check`, `list` and `schema` answer at
once because PyTorch and the data libraries are out of their reach.
"""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sim.cli.exporting import table
from sim.cli.reading import (
    check_trackers,
    plot,
    predict,
    report,
    show_results,
    subjects,
    tell_trackers,
    trace,
)
from sim.cli.terminal import (
    EXIT_FAILED,
    EXIT_INTERRUPTED,
    EXIT_MISTAKE,
    CodeFiles,
    Overrides,
    ScenarioName,
    choices,
    console,
    end_with_the_reader,
    mistakes_reported,
    pipes_may_break,
    say,
    use_code,
)

if TYPE_CHECKING:
    from sim.runs.session import Done, Session
    from sim.scenario import Scenario, Sweep

FAILURES_SHOWN = 5
STORE_LIMIT = "4 GB"

app = typer.Typer(
    name="braintorrent",
    help="Simulate federated learning when nodes fail: real training on a virtual clock.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command line; the entry point of `braintorrent`."""
    end_with_the_reader()
    app(prog_name="braintorrent")


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib import metadata

        try:
            version = metadata.version("braintorrent")
        except metadata.PackageNotFoundError:
            version = "(not installed: run from its sources)"
        typer.echo(f"braintorrent {version}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version and exit.", callback=_show_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Hold the options that stand before a command."""


_Protocols = Annotated[
    list[str] | None,
    typer.Option("--protocol", metavar="NAME", help="Run only this protocol; repeatable."),
]
_Seeds = Annotated[
    list[int] | None,
    typer.Option("--seed", metavar="N", help="Run only this seed of the scenario; repeatable."),
]
_Workers = Annotated[
    int | None,
    typer.Option(
        metavar="N", min=0, help="Worker processes; 0 trains in this one. Default: one a core."
    ),
]
_StoreLimit = Annotated[
    str,
    typer.Option(metavar="SIZE", help="How much disk the models under way may take."),
]
_Scheduler = Annotated[
    str | None,
    typer.Option(
        metavar="ADDRESS",
        help="Train on a Dask cluster: its scheduler's tcp:// or tls:// address, or its file.",
    ),
]
_AcceptCode = Annotated[
    bool,
    typer.Option(
        "--accept-code", help="If your code has changed since, make the folder's tables anew."
    ),
]
_Track = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME", help="Show the results in mlflow or tensorboard, too; repeatable."
    ),
]
_Json = Annotated[
    bool, typer.Option("--json", help="Print the results as JSON instead of a table.")
]


@app.command()
def run(
    scenario: ScenarioName,
    overrides: Overrides = None,
    code: CodeFiles = None,
    accept_code: _AcceptCode = False,
    protocol: _Protocols = None,
    seed: _Seeds = None,
    workers: _Workers = None,
    store_limit: _StoreLimit = STORE_LIMIT,
    scheduler: _Scheduler = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Result folder. Default: results/<name>.")
    ] = None,
    track: _Track = None,
    as_json: _Json = False,
) -> None:
    """Run a scenario, continue it, or show its results if it has been run."""
    with mistakes_reported():
        from sim.scenario import load, restricted

        check_trackers(track)
        use_code(code)
        wanted = restricted(load(scenario, overrides or ()), protocol or (), seed or ())
        if wanted.sweep or wanted.tune:
            say("what the scenario says of a sweep is left out; `braintorrent sweep` runs it")
            wanted = wanted.model_copy(update={"sweep": None, "tune": None})
        folder = out or Path("results") / wanted.name
        from sim.runs.sweep import run_one

        with _session(folder, workers, store_limit, scheduler, accept_code) as session:
            done = run_one(wanted, session)
        show_results(folder, as_json)
        say(f"results in {folder}")
        tell_trackers(track, folder)
        _report(done)


@app.command()
def sweep(
    scenario: ScenarioName,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH=V1,V2,...",
            help="Run with each of these values; FIRST:LAST:STEP is a range. Several are crossed.",
        ),
    ] = None,
    tune: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH",
            help="A varied path whose best value, on validation data, counts; repeatable.",
        ),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Use the seeds 0 to N-1.")
    ] = None,
    overrides: Overrides = None,
    code: CodeFiles = None,
    accept_code: _AcceptCode = False,
    protocol: _Protocols = None,
    workers: _Workers = None,
    store_limit: _StoreLimit = STORE_LIMIT,
    scheduler: _Scheduler = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would take, without training.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Result folder. Default: results/<name>_sweep."),
    ] = None,
    track: _Track = None,
    as_json: _Json = False,
) -> None:
    """Run a scenario over a grid of settings, or continue; what points share is trained once."""
    with mistakes_reported():
        from sim.scenario import grid

        check_trackers(track)
        use_code(code)
        wanted = grid(scenario, overrides or (), vary or (), seeds, protocol or (), tune=tune or ())
        folder = out or Path("results") / f"{wanted.base.name}_sweep"
        if dry_run:
            _print_plan(wanted, _worker_count(workers), as_json)
            return
        from sim.runs.sweep import run_sweep

        with _session(folder, workers, store_limit, scheduler, accept_code) as session:
            done = run_sweep(wanted, session)
        show_results(folder, as_json)
        say(f"results in {folder}")
        tell_trackers(track, folder)
        _report(done)


@app.command()
def check(
    scenarios: Annotated[list[str], typer.Argument(metavar="SCENARIO...", help="As for `run`.")],
    overrides: Overrides = None,
    data: Annotated[
        bool,
        typer.Option(
            "--data", help="Load and partition the data, and fit the network to them (slower)."
        ),
    ] = False,
    code: CodeFiles = None,
) -> None:
    """Validate scenarios without running them."""
    from sim.record.errors import ScenarioError

    mistakes = 0
    with mistakes_reported():
        use_code(code)
        for name in scenarios:
            try:
                _check(name, overrides or (), data)
            except ScenarioError as mistake:
                mistakes += 1
                say(str(mistake))
    if mistakes:
        raise typer.Exit(EXIT_MISTAKE)


def _check(name: str, overrides: Sequence[str], data: bool) -> None:
    """Say that a scenario is fine, and what of it changes nothing. Raises ScenarioError."""
    from sim.runs.build import check_timeouts
    from sim.scenario import grid, load

    loaded = load(name, overrides)
    is_sweep = loaded.sweep or loaded.tune
    points = [point.scenario for point in grid(name, overrides).points] if is_sweep else [loaded]
    for one in points:
        check_timeouts(one)
    if data:
        from sim.runs.session import check_data

        check_data(points, say)
    size = f"{len(points)} points x " if is_sweep else ""
    typer.echo(f"{name}: ok, {size}{_size_text(loaded)}")
    for text in dict.fromkeys(text for one in points for text in one.idle()):
        say(f"{name}: caution: {text}")


@app.command(name="list")
def list_choices(
    name: Annotated[
        str | None,
        typer.Argument(
            help="A kind (churn, fedavg), or a section (faults, network). Default: everything.",
            autocompletion=choices,
        ),
    ] = None,
    code: CodeFiles = None,
) -> None:
    """List what a scenario can be made of: every kind, with its settings and their defaults."""
    with mistakes_reported():
        from sim.scenario.catalogue import catalogue

        use_code(code)
        for line in catalogue(name, console().width):
            typer.echo(line)


@app.command()
def status(
    folder: Annotated[Path, typer.Argument(help="The folder of a run or a sweep.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print it as JSON.")] = False,
) -> None:
    """Say what is finished, running, missing or failed, and why."""
    with mistakes_reported():
        from sim.results.status import as_dict, lines, status

        found = status(folder)
        if as_json:
            typer.echo(json.dumps(as_dict(found), indent=2))
            return
        for line in lines(found):
            typer.echo(line)


app.command()(trace)
app.command()(plot)
app.command()(table)
app.command()(report)
app.command()(predict)
app.command()(subjects)


@app.command()
def schema(code: CodeFiles = None) -> None:
    """Print the JSON Schema of a scenario, for editors."""
    from sim import scenario

    with mistakes_reported():
        use_code(code)
        typer.echo(json.dumps(scenario.schema(), indent=2))


@contextmanager
def _session(
    folder: Path,
    workers: int | None,
    store_limit: str,
    scheduler: str | None,
    accept_code: bool,
) -> "Iterator[Session]":
    """How work is done from here: with progress on the terminal, and a word when interrupted."""
    from sim.cli.progress import progress_display
    from sim.record.errors import ScenarioError
    from sim.record.units import parse
    from sim.runs.session import Session

    try:
        limit_bytes = int(parse(store_limit, "B", STORE_LIMIT))
    except ValueError as mistake:
        raise ScenarioError(f"--store-limit {store_limit}: {mistake}") from None
    try:
        with pipes_may_break(), progress_display(console(stderr=True)) as progress:
            yield Session(
                folder,
                _worker_count(workers),
                limit_bytes,
                say,
                progress,
                scheduler,
                accept_code,
            )
    except KeyboardInterrupt:
        if not folder.exists():
            raise  # Before anything was written.
        say(f"interrupted: what is done is kept in {folder}; the same command continues")
        raise typer.Exit(EXIT_INTERRUPTED) from None


def _report(done: "Done | None") -> None:
    """Say that nothing had to be done, or which runs have failed, with the exit code for it."""
    if done is None:
        say("finished already; remove the folder to run it again")
        return
    for record in done.failed[:FAILURES_SHOWN]:
        say(f"failed: {record.protocol} seed {record.seed}: {record.cause}")
    if done.failed:
        more = len(done.failed) - FAILURES_SHOWN
        say((f"and {more} more failed; " if more > 0 else "") + "the same command tries again")
        raise typer.Exit(EXIT_FAILED)


def _print_plan(sweep: "Sweep", workers: int, as_json: bool) -> None:
    from dataclasses import asdict

    from sim.cli.progress import plan_lines, point_lines
    from sim.runs.plan import plan

    found = plan([point.scenario for point in sweep.points], workers)
    if as_json:
        points = [{"name": point.name, **point.values} for point in sweep.points]
        typer.echo(json.dumps({**asdict(found), "points": points}, indent=2))
        return
    written = {point.name: point.written for point in sweep.points}
    for line in (*point_lines(written), *plan_lines(found)):
        typer.echo(line)


def _size_text(scenario: "Scenario") -> str:
    protocols, seeds = len(scenario.protocols), len(scenario.seeds)
    return f"{scenario.clients.count} clients, {protocols} protocols x {seeds} seeds"


def _worker_count(asked: int | None) -> int:
    """What the user asks for, or one worker a core."""
    if asked is not None:
        return asked
    # A container may own fewer cores than the machine has.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
