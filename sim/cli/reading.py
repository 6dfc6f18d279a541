"""The commands that only read results, and all else that opens the analysis, when it is needed."""

import json
import sys
from collections.abc import Callable, Iterable
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sim.cli.terminal import (
    EXIT_INTERRUPTED,
    CodeFiles,
    Overrides,
    ScenarioName,
    at_home,
    console,
    mistakes_reported,
    pipes_may_break,
    say,
    use_code,
)
from sim.record.errors import Refusal, ScenarioError
from sim.record.units import parse

if TYPE_CHECKING:
    from analysis.results import Results

FIGURES = (
    *("convergence", "failure_rate", "difference", "map", "time_to_target", "timeline"),
    *("network_use", "clients", "merges", "structures"),
)
"""Their names, for help and completion, which are too quick to load what draws them."""
SITES_SHOWN, SLICES_SHOWN = 4, 3

_Folder = Annotated[Path, typer.Argument(help="The folder of a run or a sweep.")]
Folders = Annotated[
    list[Path], typer.Argument(metavar="FOLDER...", help="Folders of runs or sweeps.")
]
_Protocol = Annotated[
    str | None, typer.Option(metavar="NAME", help="Whose run. Default: the only one.")
]
_Seed = Annotated[int | None, typer.Option(metavar="N", help="Which seed. Default: the only one.")]
_Point = Annotated[
    str | None, typer.Option(metavar="NAME", help="Which point of a sweep. Default: the only one.")
]
Where = Annotated[
    list[str] | None,
    typer.Option(
        metavar="PATH=VALUE",
        help="Only points of a sweep where this setting has this value; repeatable.",
    ),
]


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


def _quantity(option: str, unit: str, example: str) -> Callable[[str], float]:
    """How an option's quantity is read; a mistake is reported as any other."""

    def read(text: str) -> float:
        with mistakes_reported():
            try:
                return parse(text, unit, example)
            except Refusal as mistake:
                raise ScenarioError(
                    f"{option}: {mistake.what}; allowed: {mistake.allowed}"
                ) from None

    return read


def trace(
    folder: _Folder,
    protocol: _Protocol = None,
    seed: _Seed = None,
    point: _Point = None,
    where: Where = None,
    file_format: Annotated[
        str, typer.Option("--format", metavar="NAME", help="For ui.perfetto.dev: perfetto.")
    ] = "perfetto",
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Default: in DIR, named after the run.", callback=at_home
        ),
    ] = None,
) -> None:
    """Write one run's timeline as a file for a viewer: who did what, when, on virtual time."""
    with mistakes_reported():
        from analysis.trace_export import export

        target = export(
            folder, file_format=file_format, point=point, conditions=where or (),
            protocol=protocol, seed=seed, out=out,
        )  # fmt: skip
        say(f"timeline in {target}; https://ui.perfetto.dev opens it")


def plot(
    folders: Folders,
    figure: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=f"Which figure: {', '.join(FIGURES)}. Default: convergence; of a sweep over a "
            "number failure_rate, over two numbers map.",
            autocompletion=lambda incomplete: _beginning(FIGURES, incomplete),
        ),
    ] = None,
    point: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this point of a sweep; repeatable."),
    ] = None,
    where: Where = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Whose run, in timeline and merges; in convergence only this one, "
            "with a line per point or folder.",
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="Which seed, in timeline. Default: the first.")
    ] = None,
    node: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this client, in clients; repeatable."),
    ] = None,
    metric: Annotated[
        str | None, typer.Option(metavar="NAME", help="Which score. Default: the scenario's.")
    ] = None,
    stage: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Which of a client's two models: received or trained; in convergence also both. "
            "Default: received.",
        ),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What others are compared with, in difference and map. Default: the first "
            "protocol with a server.",
        ),
    ] = None,
    from_time: Annotated[
        float | None,
        typer.Option(
            "--from",
            metavar="TIME",
            parser=_quantity("--from", "s", "5 min"),
            help="Where the timeline begins, as 5 min. Default: just before the crash, "
            "or the first join or leave.",
        ),
    ] = None,
    to_time: Annotated[
        float | None,
        typer.Option(
            "--to",
            metavar="TIME",
            parser=_quantity("--to", "s", "5 min"),
            help="Where it ends, as 6 min.",
        ),
    ] = None,
    over: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The convergence figure's axis: time, local_rounds, local_epochs or bytes.",
        ),
    ] = None,
    width: Annotated[
        float | None,
        typer.Option(
            metavar="LENGTH",
            parser=_quantity("--width", "in", "8.5cm"),
            help="For print, so wide, with letters of 7 to 8 points: 8.5cm, 85mm, 3.35in, 241pt.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A .png, .svg or .pdf. Default: a .png in the folder, named after the figure and "
            "what was chosen; of several folders, here.",
            callback=at_home,
        ),
    ] = None,
) -> None:
    """Draw a figure of the results; convergence also of several folders' side by side."""
    with mistakes_reported():
        from analysis.figures import saving

        target = saving.plot(
            *folders, figure=figure, conditions=where or (), out=out, width_in=width,
            points=point, protocol=protocol, seed=seed, nodes=node, metric=metric, stage=stage,
            baseline=baseline, from_s=from_time, until_s=to_time, over=over,
        )  # fmt: skip
        say(f"figure in {target}")


def report(
    folder: _Folder,
    point: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="The point of a sweep whose nodes are shown. Default: the last."
        ),
    ] = None,
    where: Where = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A .html. Default: DIR/report.html.", callback=at_home),
    ] = None,
) -> None:
    """Write one HTML page about the results, with figures to switch and zoom."""
    with mistakes_reported():
        from analysis.report.page import report as write

        target = write(folder, point=point, conditions=where or (), out=out)
        say(f"report in {target}; any browser opens it, without a network")


def predict(
    folder: _Folder,
    protocol: _Protocol = None,
    seed: _Seed = None,
    node: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whose model. Default: aggregate.")
    ] = None,
    stage: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Which of a client's models: received or trained. Default: received.",
        ),
    ] = None,
    subject: Annotated[
        str | None, typer.Option(metavar="NAME", help="Default: the first that is held out.")
    ] = None,
    point: _Point = None,
    grid: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="The file's voxels: scan, those of the scan, which it then lies over; or network.",
        ),
    ] = "scan",
    code: CodeFiles = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A .nii.gz. Default: in DIR, named after the model.",
            callback=at_home,
        ),
    ] = None,
) -> None:
    """Let a kept model segment a subject: a NIfTI file, what its numbers mean, and a picture."""
    with mistakes_reported():
        from analysis.figures.saving import save
        from analysis.figures.segmentation import Column, segmentation, slices_shown
        from sim.runs.prediction import Choice, segmented

        use_code(code)
        done = segmented(
            folder, Choice(point, protocol, seed, node, stage, subject, grid), out, say
        )
        images, truth = done.subject.images, done.subject.labels
        columns = (
            Column("image", images),
            Column("truth", images, truth),
            Column("prediction", images, done.prediction.labels),
        )
        shown = slices_shown(truth)
        save(segmentation(columns, done.structures, shown, done.title), done.picture_file)
        say(f"segmentation by {done.whose} in {done.volume_file}, on {done.grid}")
        say(f"what its numbers mean in {done.labels_file}, a picture in {done.picture_file}")


def subjects(
    scenario: ScenarioName,
    overrides: Overrides = None,
    code: CodeFiles = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A .png, .svg or .pdf. Default: <name>_subjects.png.",
            callback=at_home,
        ),
    ] = None,
) -> None:
    """Draw a training subject of each site, of four at most, beside what is labelled in it."""
    with mistakes_reported():
        from analysis.figures.saving import save
        from analysis.figures.segmentation import Column, segmentation, slices_shown
        from sim.runs.prediction import cohort_in
        from sim.scenario import load

        use_code(code, scenario)
        wanted = load(scenario, overrides or ())
        cohort = cohort_in(wanted, wanted.seeds[0], say)
        sites = range(min(wanted.clients.count, SITES_SHOWN))
        trained_on = [one for one in cohort.subjects if not one.held_out]
        firsts = [next(one for one in trained_on if one.site == site) for site in sites]
        columns = [
            column
            for one in firsts
            for column in (
                Column(f"site {one.site}\n{one.name}", one.images),
                Column("\nlabels", one.images, one.labels),
            )
        ]
        # Of the shortest subject, so that every one has these slices.
        shown = slices_shown(min((one.labels for one in firsts), key=len), SLICES_SHOWN)
        target = out or Path(f"{wanted.name}_subjects.png")
        save(segmentation(columns, cohort.structures, shown, wanted.name), target)
        say(f"figure in {target}")


def show_results(folder: Path, as_json: bool) -> None:
    """Print what a run or a sweep came to, as a table or as JSON."""
    from analysis.comparison import compared
    from analysis.loading import load
    from analysis.tuning import tuned
    from sim.cli.summary import as_dict

    results = load(folder)
    if as_json:
        results = tuned(results)
        typer.echo(json.dumps(as_dict(results, compared(results)), indent=2, allow_nan=False))
    else:
        show(results)


def show(results: "Results") -> None:
    """Print the closing tables of a run or a sweep, and its cautions."""
    from analysis.comparison import compared
    from analysis.tuning import tuned
    from sim.cli.cautions import caution_lines
    from sim.cli.tables import as_text, closing_tables

    chosen = tuned(results)
    console().print(closing_tables(chosen, compared(chosen)))
    for line in caution_lines(chosen):
        console().print(as_text(line))


def check_trackers(names: list[str] | None) -> None:
    """Refuse, before any work, what could not be told of it."""
    if names:
        from analysis import trackers

        trackers.check(names)


def tell_trackers(names: list[str] | None, folder: Path) -> None:
    """Show what is finished in experiment trackers, which read it from the folder."""
    if not names:
        return
    from sim.results.folder_lock import locked

    try:
        # Some of them print, and standard output may be somebody's JSON.
        with locked(folder, say), redirect_stdout(sys.stderr), pipes_may_break():
            from analysis import trackers

            for place in trackers.log(names, folder):
                say(f"logged to {place}")
    except KeyboardInterrupt:
        say(f"interrupted: the results are in {folder}; the same command logs them")
        raise typer.Exit(EXIT_INTERRUPTED) from None
