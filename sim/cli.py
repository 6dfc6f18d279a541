"""The command line: the only room that prints, and where a user's mistake becomes an exit code.

Commands import what they need when they run: `--help`, `check`, `list` and `schema` answer at
once because PyTorch and the data libraries are out of their reach.
"""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from sim.outcome import Outcome
    from sim.scenario import Scenario
    from sim.summary import Summary

EXIT_MISTAKE = 2
EXIT_INTERRUPTED = 130
# What a log file or a pipe gets, which have no width of their own.
PLAIN_WIDTH = 100

app = typer.Typer(
    name="braintorrent",
    help="Simulate federated learning when nodes fail: real training on a virtual clock.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command line; the entry point of `braintorrent`."""
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


@app.command()
def run(
    scenario: Annotated[str, typer.Argument(help="A YAML file or a shipped one's name.")],
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Change one setting of the scenario."),
    ] = None,
    protocol: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Run only this protocol of the scenario; repeatable."),
    ] = None,
    seed: Annotated[
        list[int] | None,
        typer.Option(metavar="N", help="Run only this seed of the scenario; repeatable."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=0, help="Worker processes; 0 trains in this one. Default: one a core."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Result folder. Default: results/<name>.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summary as JSON instead of a table.")
    ] = False,
) -> None:
    """Run a scenario, or show its results if it has been run."""
    with _mistakes_reported():
        from sim.scenario import load
        from sim.selection import restricted

        wanted = restricted(load(scenario, overrides or ()), protocol or (), seed or ())
        count = _cores() if workers is None else workers
        folder = out or Path("results") / wanted.name
        _print_summary(_results(wanted, folder, count), as_json)
        _say(f"results in {folder}")


@app.command()
def check(
    scenarios: Annotated[list[str], typer.Argument(metavar="SCENARIO...", help="As for `run`.")],
    data: Annotated[
        bool, typer.Option("--data", help="Load and partition the data too (slower).")
    ] = False,
) -> None:
    """Validate scenarios without running them."""
    from sim.errors import ScenarioError
    from sim.scenario import load

    mistakes = 0
    with _mistakes_reported():
        for name in scenarios:
            try:
                loaded = load(name)
                if data:
                    from sim.simulation import check_data

                    check_data(loaded)
            except ScenarioError as mistake:
                mistakes += 1
                _say(str(mistake))
            else:
                typer.echo(f"{name}: ok, {_size_text(loaded)}")
    if mistakes:
        raise typer.Exit(EXIT_MISTAKE)


@app.command(name="list")
def list_choices() -> None:
    """List protocols, faults, tasks, networks and partitions with their settings."""
    from sim.catalogue import catalogue

    for line in catalogue():
        typer.echo(line)


@app.command()
def schema() -> None:
    """Print the JSON Schema of a scenario, for editors."""
    from sim import scenario

    typer.echo(json.dumps(scenario.schema(), indent=2))


def _results(scenario: "Scenario", folder: Path, workers: int) -> "Summary":
    """Return the summary of a finished folder, after doing the work if it isn't finished yet."""
    from sim import results
    from sim.scenario import dump
    from sim.summary import summarise

    text = dump(scenario)
    if results.folder_state(folder, text) is results.FolderState.FINISHED:
        _say("finished already; remove the folder to run it again")
        return summarise(scenario, results.read_scores(folder), results.read_traces(folder))
    outcome = _simulated(scenario, folder, text, workers)
    return summarise(scenario, outcome.scores, outcome.traces)


def _simulated(scenario: "Scenario", folder: Path, text: str, workers: int) -> "Outcome":
    import asyncio

    from sim import results
    from sim.display import progress_display
    from sim.errors import ScenarioError
    from sim.simulation import simulate

    results.claim(folder, text)
    started_s = time.monotonic()
    try:
        with progress_display(_console(sys.stderr.isatty(), stderr=True)) as report:
            outcome = asyncio.run(
                simulate(scenario, tuple(scenario.protocols), scenario.seeds, workers, report)
            )
        wall_s = time.monotonic() - started_s
        results.write(folder, outcome, tuple(scenario.protocols), wall_s, workers)
    except ScenarioError:
        results.release(folder)
        raise
    except KeyboardInterrupt:
        _say(
            f"interrupted: kept {folder / results.SCENARIO_FILE}, no finished results; "
            "the same command starts again"
        )
        raise typer.Exit(EXIT_INTERRUPTED) from None
    return outcome


def _print_summary(summary: "Summary", as_json: bool) -> None:
    from sim.display import summary_table
    from sim.summary import as_dict

    if as_json:
        typer.echo(json.dumps(as_dict(summary), indent=2, allow_nan=False))
    else:
        _console(sys.stdout.isatty()).print(summary_table(summary))


def _console(terminal: bool, stderr: bool = False) -> "Console":
    from rich.console import Console

    return Console(stderr=stderr, width=None if terminal else PLAIN_WIDTH)


def _size_text(scenario: "Scenario") -> str:
    protocols, seeds = len(scenario.protocols), len(scenario.seeds)
    return f"{scenario.clients.count} clients, {protocols} protocols x {seeds} seeds"


def _cores() -> int:
    # A container may own fewer cores than the machine has.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _say(message: str) -> None:
    typer.echo(message, err=True)


@contextmanager
def _mistakes_reported() -> Iterator[None]:
    """Turn a user's mistake into one line and exit code 2, and Ctrl-C into 130."""
    from sim.errors import ScenarioError

    try:
        yield
    except ScenarioError as mistake:
        _say(str(mistake))
        raise typer.Exit(EXIT_MISTAKE) from None
    except KeyboardInterrupt:
        _say("interrupted before anything was written")
        raise typer.Exit(EXIT_INTERRUPTED) from None


if __name__ == "__main__":
    main()
