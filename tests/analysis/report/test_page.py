"""The page as a file: all of it in one, the same bytes twice, and mistakes in one line."""

import importlib.resources
import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from analysis.report.page import report
from sim.cli import app
from sim.record.errors import ResultError
from sim.record.words import plain_text
from sim.scenario import load as scenario_of
from tests.analysis.evil import CAUSE, HTML, QUESTION, an_evil_run
from tests.analysis.figures.looked_at import a_run, a_sweep
from tests.analysis.folders import described, write_run


class Read(HTMLParser):
    """The page's tags, its texts outside of scripts, and the data for its script."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.figures: dict[str, Any] = {}
        self._within = ""
        self.feed(file.read_text())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._within = str(dict(attrs).get("id", tag)) if tag in ("script", "style") else ""

    def handle_endtag(self, tag: str) -> None:
        self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within == "data":
            self.figures = {one["name"]: one for one in json.loads(data)}
        elif not self._within and data.strip():
            self.texts.append(data.strip())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def test_a_run_s_page(tmp_path: Path) -> None:
    results = a_run(tmp_path)
    target = report(tmp_path)
    assert target == tmp_path / "report.html"
    page = Read(target)
    assert results.question in page.texts
    assert list(page.figures) == ["time", "nodes"]
    assert "0.325" in page.texts
    assert f"braintorrent run {tmp_path}/scenario.yaml --out FOLDER" in page.texts
    assert f"braintorrent report {tmp_path}" in page.texts
    assert page.all("html") == [{"lang": "en"}]


def test_a_sweep_s_page_begins_with_what_was_varied(tmp_path: Path) -> None:
    a_sweep(tmp_path / "with space")
    page = Read(report(tmp_path / "with space", point="churn.failure_rate-1perh"))
    assert list(page.figures) == ["end", "time", "nodes"]
    where = f"'{tmp_path}/with space'"
    assert f"braintorrent report {where} --point churn.failure_rate-1perh" in page.texts
    assert f"braintorrent sweep '{tmp_path}/with space/sweep.yaml' --out FOLDER" in page.texts


def test_every_figure_and_table_says_what_it_is(tmp_path: Path) -> None:
    a_sweep(tmp_path)
    page = Read(report(tmp_path))
    images = [one for one in page.all("div") if one.get("role") == "img"]
    views = [figure["views"][0] for figure in page.figures.values()]
    assert [one["aria-label"] for one in images] == [view["alternative"] for view in views]
    assert all(one.get("scope") in ("row", "col") for one in page.all("th"))
    labels = [str(one["aria-label"]) for one in page.all("div") if one.get("role") == "region"]
    assert len(labels) == len(page.all("caption")) == len(page.all("table"))
    assert "Commands" in labels and set(labels) <= set(page.texts)


def test_the_question_is_the_scenario_s_first_comment(tmp_path: Path) -> None:
    shipped = importlib.resources.files("scenarios").joinpath("churn.yaml").read_text()
    file = tmp_path / "asked.yaml"
    file.write_text("# Is it kept,\n# all of it?\n\n" + shipped)
    write_run(tmp_path / "out", scenario_of(file, ["seeds=[0]", "clients.count=2"]))
    assert "Is it kept, all of it?" in Read(report(tmp_path / "out")).texts


def test_the_same_bytes_twice_and_all_in_one_file(tmp_path: Path) -> None:
    a_run(tmp_path / "run")
    first, second = (
        report(tmp_path / "run", out=tmp_path / "new" / name) for name in ("a.html", "a.htm")
    )
    assert first.read_bytes().replace(b"a.html", b"a.htm") == second.read_bytes()
    assert sorted(path.name for path in first.parent.iterdir()) == ["a.htm", "a.html"]
    page = Read(first)
    assert not any("src" in one or one.get("href", "data:,") != "data:," for _, one in page.tags)
    (policy,) = (one for one in page.all("meta") if "http-equiv" in one)
    assert str(policy["content"]).startswith("default-src 'none'; script-src 'unsafe-inline'; ")


def test_names_are_no_markup(tmp_path: Path) -> None:
    page = Read(report(an_evil_run(tmp_path)))
    assert {tag for tag, _ in page.tags}.isdisjoint({"b", "i", "img", "a"})
    assert len(page.all("script")) == 3
    assert plain_text(QUESTION) in page.texts
    assert f"{HTML[0]} seed 1: {plain_text(CAUSE)}" in page.texts
    for name in HTML:
        assert name in page.texts
        assert any(one.get("data-name") == name for one in page.all("button"))
    # What plotly.js reads as markup is written so that it shows the names.
    shown = {trace["name"] for trace in page.figures["time"]["views"][0]["traces"]}
    assert "&lt;b&gt;one&lt;/b&gt;" in shown
    assert not any("<" in name for name in shown)


def test_mistakes(tmp_path: Path) -> None:
    a_run(tmp_path / "run")
    before = sorted((tmp_path / "run").iterdir())
    with pytest.raises(ResultError, match=r"a.pdf: unknown ending; allowed: .html, .htm"):
        report(tmp_path / "run", out=tmp_path / "a.pdf")
    with pytest.raises(ResultError, match="--point x: has no finished run in .*; allowed: base"):
        report(tmp_path / "run", point="x")
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultError, match="a.html: cannot be written"):
        report(tmp_path / "run", out=tmp_path / "file" / "a.html")
    assert sorted((tmp_path / "run").iterdir()) == before


def test_the_command(tmp_path: Path) -> None:
    a_run(tmp_path / "run")
    target = tmp_path / "run" / "report.html"
    done = CliRunner().invoke(app, ["report", str(tmp_path / "run")])
    words = f"report in {target}; any browser opens it, without a network\n"
    assert (done.exit_code, done.stderr) == (0, words)
    assert target.read_text().startswith("<!DOCTYPE html>")


def test_the_command_reports_mistakes_in_a_line(tmp_path: Path) -> None:
    write_run(
        tmp_path / "empty",
        described("seeds=[0]"),
        failed=[("base", "local", 0), ("base", "fedavg", 0)],
    )
    for folder, words in (
        ("empty", "none of the chosen runs is finished; allowed: a folder with at least one"),
        ("nothing", "no such folder; allowed: a folder that `braintorrent run` or `sweep`"),
    ):
        done = CliRunner().invoke(app, ["report", str(tmp_path / folder)])
        assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
        assert done.stderr.startswith(f"{tmp_path / folder}: {words}")
    assert not (tmp_path / "empty" / "report.html").exists()
