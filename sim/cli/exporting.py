"""The command that gives closing tables to other programs and to papers."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sim.cli.reading import Folders, Where
from sim.cli.terminal import PLAIN_WIDTH, at_home, console, mistakes_reported, say
from sim.record.errors import ScenarioError

if TYPE_CHECKING:
    from rich.console import Console

    from analysis.results import Results

TEXT = "text"


def table(
    folders: Folders,
    where: Where = None,
    across: Annotated[
        str | None,
        typer.Option(
            metavar="PATH",
            help="Of a sweep: one column for each value of this setting, and what it changes.",
        ),
    ] = None,
    file_format: Annotated[
        str, typer.Option("--format", metavar="NAME", help="text, csv, latex or markdown.")
    ] = TEXT,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Default: standard output.", callback=at_home),
    ] = None,
) -> None:
    """Write what runs and sweeps came to: as printed at their end, for a paper, or as numbers."""
    with mistakes_reported():
        from analysis.files import whole_file
        from analysis.tables.export import FORMATS, export
        from analysis.where import of_several

        if file_format not in (known := (TEXT, *FORMATS)):
            raise ScenarioError(f"--format {file_format}: unknown; allowed: {', '.join(known)}")
        results = of_several(folders, where or ())
        printed = (
            partial(_print, results) if across is None else partial(_print_across, results, across)
        )
        if file_format == TEXT and out is None:
            printed(console())
            return
        if file_format == TEXT:
            text = _text(printed)
        elif across is None:
            text = export(results, file_format)
        else:
            text = _exported_across(results, across, file_format)
        if out is None:
            typer.echo(text, nl=False)
            return
        with whole_file(out) as path:
            path.write_text(text, encoding="utf-8", newline="\n")
        say(f"table in {out}")


def _text(printed: "Callable[[Console], None]") -> str:
    from io import StringIO

    from rich.console import Console

    paper = Console(file=StringIO(), width=PLAIN_WIDTH)
    with paper.capture() as written:
        printed(paper)
    return written.get()


def _print(several: "Sequence[Results]", paper: "Console") -> None:
    from analysis.comparison import compared
    from sim.cli.tables import closing_tables

    for number, results in enumerate(several):
        if number:
            paper.print()
        paper.print(closing_tables(results, compared(results)))


def _print_across(several: "Sequence[Results]", path: str, paper: "Console") -> None:
    from analysis.tables.across import across
    from sim.cli.tables import shown

    for results in several:
        for one in across(results, path):
            paper.print(shown(one))


def _exported_across(several: "Sequence[Results]", path: str, file_format: str) -> str:
    from analysis.tables.across import across
    from analysis.tables.export import OF_TABLES

    if file_format not in OF_TABLES:
        allowed = ", ".join((TEXT, *OF_TABLES))
        raise ScenarioError(f"--format {file_format}: is not for --across; allowed: {allowed}")
    return OF_TABLES[file_format](one for results in several for one in across(results, path))
