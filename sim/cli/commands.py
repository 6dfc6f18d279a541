"""The command line: what it is made of, and the commands that simulate; only commands print.

Commands import what they need when they run: `--help`, `check`, `list` and `schema` answer at
once because PyTorch and the data libraries are out of their reach.
"""

import json
from collections import Counter
from collections.abc import Sequence
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
    EXIT_MISTAKE,
    STORE_LIMIT,
    CodeFiles,
    Overrides,
    ScenarioName,
    at_home,
    choices,
    console,
    end_with_the_reader,
    have_streams,
    mistakes_reported,
    output_has_room,
    pipes_may_break,
    say,
    say_how_far,
    say_mistakes,
    show,
    signals_interrupt,
    use_code,
)

if TYPE_CHECKING:
    from sim.cli.work import Finished
    from sim.scenario import Scenario, Sweep

app = typer.Typer(
    name="braintorrent",
    help="Simulate federated learning when nodes fail: real training on a virtual clock.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command line; the entry point of `braintorrent`."""
    have_streams()
    end_with_the_reader()
    with output_has_room():
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
_FirstSeeds = Annotated[
    int | None, typer.Option("--seeds", metavar="N", min=1, help="Use the seeds 0 to N-1.")
]
_Workers = Annotated[
    str,
    typer.Option(
        metavar="N",
        help="Worker processes; 0 trains in this one, and auto has one a core where that is "
        "done sooner.",
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
    seeds: _FirstSeeds = None,
    workers: _Workers = "auto",
    store_limit: _StoreLimit = STORE_LIMIT,
    scheduler: _Scheduler = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Result folder. Default: results/<name>.", callback=at_home
        ),
    ] = None,
    track: _Track = None,
    as_json: _Json = False,
) -> None:
    """Run a scenario, continue it, or show its results if it has been run."""
    with mistakes_reported():
        from sim.scenario import load, with_seeds

        check_trackers(track)
        use_code(code, scenario)
        wanted = with_seeds(load(scenario, overrides or ()), seeds)
        from sim.cli import work

        means = work.Means(workers, store_limit, scheduler, accept_code=accept_code)
        with signals_interrupt(), pipes_may_break():
            finished = work.run(wanted, out, means, protocol or (), seed or ())
        _tell(finished, track, as_json)


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
    seeds: _FirstSeeds = None,
    overrides: Overrides = None,
    code: CodeFiles = None,
    accept_code: _AcceptCode = False,
    protocol: _Protocols = None,
    workers: _Workers = "auto",
    store_limit: _StoreLimit = STORE_LIMIT,
    scheduler: _Scheduler = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what it would take, without training.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Result folder. Default: results/<name>_sweep.", callback=at_home
        ),
    ] = None,
    track: _Track = None,
    as_json: _Json = False,
) -> None:
    """Run a scenario over a grid of settings, or continue; what points share is trained once."""
    with mistakes_reported():
        from sim.scenario import grid

        check_trackers(track)
        use_code(code, scenario)
        wanted = grid(
            scenario,
            overrides or (),
            vary or (),
            seeds,
            protocol or (),
            tune=tune or (),
            checked=say_how_far("points checked:"),
        )
        if dry_run:
            _print_plan(wanted, workers, out, as_json)
            return
        from sim.cli import work

        means = work.Means(workers, store_limit, scheduler, accept_code=accept_code)
        with signals_interrupt(), pipes_may_break():
            finished = work.sweep(wanted, out, means)
        _tell(finished, track, as_json)


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
        for name in scenarios:
            try:
                use_code(code, name)
                _check(name, overrides or (), data)
            except ScenarioError as mistake:
                mistakes += 1
                say_mistakes(mistake)
    if mistakes:
        raise typer.Exit(EXIT_MISTAKE)


def _check(name: str, overrides: Sequence[str], data: bool) -> None:
    """Say that a scenario is fine, and what of it changes nothing. Raises ScenarioError."""
    from sim.runs.build import check_fault_files, check_timeouts, check_topologies
    from sim.scenario import grid, load

    loaded = load(name, overrides)
    is_sweep = loaded.sweep or loaded.tune
    how_far = say_how_far("points checked:")
    swept = grid(name, overrides, checked=how_far).points if is_sweep else ()
    points = [point.scenario for point in swept] or [loaded]
    for one in points:
        check_topologies(one)
        check_fault_files(one)
        check_timeouts(one)
    if data:
        from sim.runs.session import check_data

        check_data(points, say)
    size = f"{len(points)} points x " if is_sweep else ""
    show(f"{name}: ok, {size}{_size_text(loaded)}")
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
            show(line)


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
            show(line)


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


def _tell(finished: "Finished", track: list[str] | None, as_json: bool) -> None:
    """Show what came of it, here and in trackers; failed runs have an exit code of their own."""
    show_results(finished.folder, as_json)
    say(f"results in {finished.folder}")
    tell_trackers(track, finished.folder)
    if finished.done is None:
        say("finished already; --seeds N, more values or a longer duration go on from there")
    if failures := list(finished.failures()):
        for line in failures:
            say(line)
        raise typer.Exit(EXIT_FAILED)


def _print_plan(sweep: "Sweep", workers: str, out: Path | None, as_json: bool) -> None:
    from dataclasses import asdict

    from sim.cli import work
    from sim.cli.progress import plan_lines, point_lines
    from sim.runs.plan import plan
    from sim.runs.session import asked_workers, worker_count

    asked = worker_count(asked_workers(workers))
    if there := work.has_begun(sweep, out):
        say(f"{there} has some of it already; this is the plan of all, from nothing")
    found = plan([point.scenario for point in sweep.points], asked, say)
    if as_json:
        points = [{"name": point.name, **point.values} for point in sweep.points]
        typer.echo(json.dumps({**asdict(found), "points": points}, indent=2))
        return
    written = {point.name: point.written for point in sweep.points}
    for line in (*point_lines(written), *plan_lines(found)):
        show(line)


def _size_text(scenario: "Scenario") -> str:
    protocols, seeds = len(scenario.protocols), len(scenario.seeds)
    size = f"{scenario.clients.count} clients, {protocols} protocols x {seeds} seeds"
    return f"{size}{_where_text(scenario)}"


def _where_text(scenario: "Scenario") -> str:
    """How many clients stand in each region, under the first seed; nothing without regions."""
    if scenario.network.regions is None:
        return ""
    seed = scenario.seeds[0]
    where = scenario.standing(seed)
    counts = Counter(where[name] for name in scenario.client_names).most_common()
    told = ", ".join(f"{count} in {region}" for region, count in counts)
    return f"; with seed {seed}: {told}"
