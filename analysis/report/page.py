"""From a result folder to one HTML file; the template escapes whatever a user has named."""

import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from analysis.canvas.choices import scores_of
from analysis.comparison import compared
from analysis.files import whole_file
from analysis.loading import load
from analysis.metrics import STATE_KINDS
from analysis.report import curves, nodes
from analysis.report.answer import answer
from analysis.report.cautions import cautions
from analysis.report.drawing import Figure
from analysis.report.tables import Table, settings_tables, tables_of, words
from analysis.results import Results
from analysis.tuning import tuned
from analysis.where import where
from sim.record.errors import ResultError
from sim.record.folder import RUN_FILE, read_record
from sim.record.rows import FINISHED
from sim.record.words import plain_text, time_text

FILE = "report.html"
NOT_INSTALLED = "not installed"
"""In a record, the version of a library that the run did without."""
ENDINGS = (".html", ".htm")


def report(
    folder: Path,
    *,
    point: str | None = None,
    conditions: Sequence[str] = (),
    out: Path | None = None,
) -> Path:
    """Write a page about the results in `folder`; returns its path.

    `point`: whose nodes' timelines it has; see `nodes`. `conditions`: which points the page is
    about; see `where`. Without `out` it is `report.html` in the
    folder. The same results give the same bytes. Raises ResultError for a folder without results,
    an unknown point or ending, and a place that can't be written.
    """
    if out is not None and out.suffix.lower() not in ENDINGS:
        raise ResultError(f"{out}: unknown ending; allowed: {', '.join(ENDINGS)}")
    target = out or folder / FILE
    results = where(tuned(load(folder)), conditions)
    text = _page(results, _Asked(point, tuple(conditions), out))
    with whole_file(target) as path:
        path.write_text(text, encoding="utf-8", newline="\n")
    return target


class _Asked(NamedTuple):
    """What the user has chosen."""

    point: str | None
    conditions: tuple[str, ...]
    out: Path | None


def _page(results: Results, asked: _Asked) -> str:
    found = compared(results)
    if found.runs.empty:
        scores_of(results)  # It says what is wrong.
    figures = list(_figures(results, asked.point))
    environment = Environment(
        loader=PackageLoader("analysis.report", "template"),
        autoescape=True,
        finalize=_drawn,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(
        results=results,
        kind="sweep" if results.is_sweep else "run",
        answer=answer(results, found),
        cautions=cautions(results, found),
        words=words(found),
        figures=figures,
        tables=list(tables_of(results, found).values()),
        settings=settings_tables(results),
        source=results.source.read_text(encoding="utf-8"),
        origin=_origin(results),
        commands=_commands(results, asked),
        data=[{"name": one.name, "views": [vars(view) for view in one.views]} for one in figures],
        plotly=get_plotlyjs(),
    )


def _drawn(value: object) -> object:
    """What a template shows; what is markup already stays."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return plain_text(value)
    return value


def _figures(results: Results, point: str | None) -> Iterator[Figure]:
    """What answers the question first."""
    if results.paths:
        yield curves.at_the_end(results)
    yield curves.over_time(results)
    if results.told(STATE_KINDS):
        yield nodes.timeline(results, point)


def _commands(results: Results, asked: _Asked) -> Table:
    """How the results and the page are made again; what the user typed is not recorded."""
    kind = "sweep" if results.is_sweep else "run"
    again = ["braintorrent", kind, str(results.source), "--out", "FOLDER"]
    page = ["braintorrent", "report", str(results.folder)]
    page += ["--point", asked.point] if asked.point is not None else []
    page += [word for condition in asked.conditions for word in ("--where", condition)]
    page += ["--out", str(asked.out)] if asked.out is not None else []
    rows = (("the same results in another folder", again), ("this page", page))
    texts = tuple((what, shlex.join(words)) for what, words in rows)
    return Table("Commands", ("what", "command"), texts, 1)


def _origin(results: Results) -> Table:
    """What `run.json` tells; of a sweep, that of the first point that has been finished."""
    finished = results.runs.loc[results.runs["status"] == FINISHED, "point"]
    record = read_record(results.folder_at(str(finished.iloc[0])) / RUN_FILE) or {}
    versions = record.get("versions", {}).items()
    rows = [(str(name), str(text)) for name, text in versions if text != NOT_INSTALLED]
    virtual_s = float(results.runs["virtual_s"].sum())
    rows.append(("virtual time of all runs", time_text(virtual_s)))
    if not results.is_sweep and "wall_s" in record:
        rows.append(("wall time", time_text(float(record["wall_s"]))))
    return Table("Versions and times", ("what", "value"), tuple(rows), 1)
