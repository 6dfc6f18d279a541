"""The command that gives closing tables to other programs and to papers."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sim.cli.reading import Folders, Where
from sim.cli.terminal import PLAIN_WIDTH, console, mistakes_reported, say
from sim.record.errors import ScenarioError

if TYPE_CHECKING:
    from rich.console import Console

    from analysis.results import Results

TEXT = "text"


def table(
    folders: Folders,
    where: Where = None,
    file_format: Annotated[
        str, typer.Option("--format", metavar="NAME", help="text, csv, latex or markdown.")
    ] = TEXT,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Default: standard output.")
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
        if file_format == TEXT and out is None:
            _print(results, console())
            return
        text = _text(results) if file_format == TEXT else export(results, file_format)
        if out is None:
            typer.echo(text, nl=False)
            return
        with whole_file(out) as path:
            path.write_text(text, encoding="utf-8", newline="\n")
        say(f"table in {out}")


def _text(results: "Sequence[Results]") -> str:
    from io import StringIO

    from rich.console import Console

    paper = Console(file=StringIO(), width=PLAIN_WIDTH)
    with paper.capture() as written:
        _print(results, paper)
    return written.get()


def _print(several: "Sequence[Results]", paper: "Console") -> None:
    from analysis.comparison import compared
    from sim.cli.tables import closing_tables

    for number, results in enumerate(several):
        if number:
            paper.print()
        paper.print(closing_tables(results, compared(results)))
