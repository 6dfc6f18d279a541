"""Names that are markup somewhere are shown as they are everywhere: one run, every output."""

import csv
import io
import json
import xml.etree.ElementTree as xml
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from matplotlib.figure import Figure
from typer.testing import CliRunner, Result

from analysis import figures
from analysis.loading import load
from analysis.report.tables import Table
from analysis.tables.export import latex, markdown, shown_tables
from sim.cli import app
from sim.record.points import file_part
from sim.record.words import plain_text
from tests.analysis.evil import (
    CAUSE,
    CAUTION,
    COMMANDS,
    NAMES,
    QUESTION,
    STRUCTURES,
    an_evil_run,
    drawn,
)
from tests.analysis.report.test_page import Read

SHORT = 15
"""Longer names are folded in a terminal's tables."""


def harmless(text: str) -> str:
    """The text, which has no commands."""
    assert not set(COMMANDS) & set(text)
    return text


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return an_evil_run(tmp_path_factory.mktemp("runs") / "evil", NAMES)


def done(*arguments: object, code: int = 0) -> Result:
    found = CliRunner().invoke(app, [str(one) for one in arguments])
    assert found.exit_code == code, found.output
    return found


def test_signs_stay_and_commands_are_written() -> None:
    kept = "a\nb \u00a0\u540d \u0645\u06cc\u200c\u062e \U0001f469\u200d\u2695\ufe0f [red]$x$"
    assert plain_text(kept) == kept
    assert plain_text("\x1b[2J\t\r\x9b\u202e\u2067\u2028\udcff\x00") == (
        r"\x1b[2J\t\r\x9b\u202e\u2067\u2028\udcff\x00"
    )


def test_on_a_terminal(folder: Path) -> None:
    lines = harmless(done("table", folder).output).splitlines()
    for name in map(drawn, NAMES):
        assert len(name) > SHORT or any(line.startswith(f" {name} ") for line in lines)
    status = harmless(done("status", folder).output)
    assert f"failed: {NAMES[0]} seed 1: {plain_text(CAUSE)}" in status


@pytest.mark.slow
def test_cautions_and_mistakes_on_a_terminal(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from sim.cli.reading import show

    show(load(folder))
    assert f"caution: {plain_text(CAUTION)} (" not in harmless(out := capsys.readouterr().out)
    assert f"caution: {plain_text(CAUTION)}\n" in out
    for arguments in (
        ("plot", folder, "--figure", "\x1b[2J"),
        ("report", folder, "--point", "\u202ex"),
        ("trace", folder, "--protocol", "\x1b]0;x\x07"),
        ("status", folder / "\x1b[31m"),
        ("run", "\x1b[31m.yaml"),
    ):
        harmless(done(*arguments, code=2).output)


@pytest.mark.slow
def test_in_a_spreadsheet(folder: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(harmless(done("table", folder, "--format=csv").output))))
    assert [row["protocol"].removeprefix("'") for row in rows] == [*map(drawn, NAMES)]
    assert not [cell for row in rows for cell in row.values() if cell[:1] in ("=", "@", "-")]
    assert {row["protocol"][0] for row in rows if row["protocol"][1:] in ("=1+1", "@SUM(A1)")} == {
        "'"
    }


class Cells(HTMLParser):
    """A page's tags, and the texts of its cells."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.cells: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)
        self.cells += [""] * (tag in ("td", "th"))

    def handle_data(self, data: str) -> None:
        if self.cells:
            self.cells[-1] += data.strip("\n")


@pytest.fixture(scope="module")
def tables(folder: Path) -> list[Table]:
    return shown_tables([load(folder)])


def test_in_markdown(tables: list[Table]) -> None:
    text = harmless(markdown(tables))
    page = Cells(MarkdownIt("commonmark").enable("table").render(text))
    assert page.tags == {"p", "table", "thead", "tbody", "tr", "th", "td"}
    assert set(map(drawn, NAMES)) <= set(page.cells)


def test_in_latex(tables: list[Table]) -> None:
    text = harmless(latex(tables))
    for name, written in (
        ("$x_1$ \\frac{1", r"\$x\_1\$ \textbackslash{}frac\{1 & "),
        ("[red]", "{[}red]two[/red] [/] :100: & "),
        ("~", r"\textbackslash{}textbf\{i\} \textasciitilde{} \textasciicircum{} \# \% \& & "),
        ("\x1b", r"\textbackslash{}x1b[31mred\textbackslash{}x1b[2J\textbackslash{}x07 & "),
    ):
        assert any(line.startswith(written) for line in text.splitlines()), name
    assert text.count("{") - text.count("\\{") == text.count("}") - text.count("\\}")


def texts(figure: Figure) -> list[str]:
    from matplotlib.text import Text

    found = figure.findobj(Text)
    assert not any(one.get_parse_math() for one in found if one.get_text())
    return [harmless(one.get_text()) for one in found]


@pytest.mark.slow
def test_in_figures(folder: Path, tmp_path: Path) -> None:
    results = load(folder)
    assert {*map(drawn, NAMES)} <= {*texts(figures.FIGURES["convergence"](results))}
    found = texts(figures.FIGURES["structures"](results))
    assert {"$left$  hippo ", r"<i>right</i>\x1b", "=amygdala"} <= {*found}
    for ending in ("svg", "png"):
        done("plot", folder, "--out", tmp_path / f"it.{ending}")
    picture = (tmp_path / "it.svg").read_text()
    assert xml.fromstring(picture).tag.endswith("svg") and harmless(picture)


@pytest.mark.slow
def test_on_the_page(tmp_path: Path) -> None:
    names = NAMES[2:8]
    done("report", an_evil_run(tmp_path / "run", names), "--out", tmp_path / "it.html")
    page = Read(tmp_path / "it.html")
    assert {tag for tag, _ in page.tags}.isdisjoint({"b", "i", "img", "a", "red"})
    assert plain_text(QUESTION) in page.texts and plain_text(CAUTION) in " ".join(page.texts)
    switches = [one.get("data-name") for one in page.all("button") if "data-name" in one]
    traces = page.figures["time"]["views"][0]["traces"]
    for name in map(drawn, names):
        assert harmless(name) in page.texts and name in switches
        assert any(one["meta"] == name for one in traces)


@pytest.mark.slow
def test_in_a_viewer_and_in_files_names(folder: Path) -> None:
    before = {path.name for path in folder.parent.iterdir()}
    for name in (NAMES[2], "../../k", "\x1b[31mred\x1b[2J\x07"):
        done("trace", folder, "--protocol", name, "--seed", 0)
        target = folder / f"{file_part(name)}-seed0.perfetto.json"
        assert name in json.loads(target.read_text())["otherData"].values()
    assert {path.name for path in folder.parent.iterdir()} == before
    parts = [file_part(name) for name in (*NAMES, "..", ".", "", "a" * 300, "a" * 301)]
    assert len(set(map(str.casefold, parts))) == len(parts)
    assert all(part.strip(".") and len(part.encode()) < 120 for part in parts)
    assert [file_part(name) for name in ("a-1.5,b-x", "_j")] == ["a-1.5,b-x", "_j"]


@pytest.mark.slow
def test_in_tensorboard(folder: Path) -> None:
    from analysis.trackers import tensorboard

    before = {path.name for path in folder.parent.iterdir()}
    tensorboard.log(load(folder))
    there = {path.parent.name for path in (folder / "tensorboard").rglob("seed_0")}
    assert there == {file_part(name) for name in NAMES}
    assert {path.name for path in folder.parent.iterdir()} == before


def test_tables_hold_the_names_themselves(folder: Path, tables: list[Table]) -> None:
    """Only what shows them changes them."""
    results = load(folder)
    assert results.protocols == NAMES
    assert [row[0] for row in tables[0].rows] == list(NAMES)
    assert {f"dice_{name}" for name in STRUCTURES} <= {*results.scores()["metric"].astype(str)}
