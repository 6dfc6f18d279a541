"""`table`: closing tables as text, CSV, LaTeX and Markdown, of one folder or of several."""

import io
import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner, Result

from sim.cli import app
from sim.cli.exporting import TEXT
from sim.record.rows import ScoreRow, TraceRow
from tests.analysis.folders import (
    RATE,
    Run,
    described,
    swept,
    two_looks,
    write_run,
    write_sweep,
)

PROTOCOLS = "{a_b: {kind: fedavg, deadline: 1 min}, local: {}}"


def table(*arguments: str, code: int = 0) -> Result:
    done = CliRunner().invoke(app, ["table", *arguments])
    assert done.exit_code == code, done.output
    return done


@pytest.fixture
def folders(tmp_path: Path) -> list[str]:
    run = write_run(tmp_path / "run", described("name=one", protocols=PROTOCOLS))
    return [str(run), str(write_sweep(tmp_path / "sweep", swept(f"{RATE}=1 / h,2 / h")))]


def test_text_is_what_a_run_prints_at_its_end(folders: list[str], tmp_path: Path) -> None:
    said = table(*folders).stdout
    assert said.startswith("one: final accuracy") and "\n\nchurn: final accuracy" in said
    out = tmp_path / "new" / "it.txt"
    done = table(folders[0], f"--out={out}")
    assert (done.stdout, done.stderr) == ("", f"table in {out}\n")
    assert said.startswith(out.read_text())


def test_csv_has_a_row_for_each_point_and_protocol(folders: list[str]) -> None:
    found = pd.read_csv(io.StringIO(table(*folders, "--format=csv").stdout))
    assert found["scenario"].tolist() == ["one"] * 2 + ["churn"] * 4
    assert found[RATE].tolist()[2:] == ["1 / h"] * 2 + ["2 / h"] * 2
    chosen = table(folders[1], "--format=csv", f"--where={RATE}=2 / h").stdout
    assert len(chosen.splitlines()) == 1 + 2


def test_latex_has_whole_rows_and_escaped_letters(folders: list[str]) -> None:
    text = table(*folders, "--format=latex").stdout
    first, *lines = text.splitlines()
    assert first == "% \\usepackage{booktabs}"
    assert text.count("\\begin{tabular}") == text.count("\\end{tabular}") == 3
    assert [text.count(f"\\{rule}") for rule in ("toprule", "midrule", "bottomrule")] == [3] * 3
    rows = [line for line in lines if line.endswith(r"\\")]
    assert any(row.startswith(r"one & -- & a\_b & ") for row in rows)
    sides = [found[1] for line in lines if (found := re.search(r"{tabular}{([lr]+)}", line))]
    assert {len(re.findall(r"(?<!\\)&", row)) + 1 for row in rows} == {len(one) for one in sides}
    assert not re.search(r"(?<!\\)[%#]|(?<!\\)_|[±−–]", "\n".join(lines))
    assert text.count("{") == text.count("}")
    # The caption's per cent sign, which would hide the rest of its line.
    assert r"95 \% interval" in text


def test_markdown_has_pipes(folders: list[str]) -> None:
    text = table(folders[0], "--format=markdown").stdout
    tables = [line for line in text.splitlines() if line.startswith("|")]
    assert tables[0].startswith("| protocol | seeds | mean client |")
    assert tables[1].startswith("| :-- | --: | --: |")
    assert tables[2].startswith("| a_b | 2 of 2 | ")
    assert len({line.count("|") for line in tables[:4]}) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format=word"], "--format word: unknown; allowed: text, csv, latex, markdown"),
        (["--where=x=1"], f"--where x=1: x is not varied; allowed: {RATE}"),
        (["--across=x"], "--across x: is not varied; allowed: a sweep, which varies something"),
        (
            [f"--across={RATE}", "--format=csv"],
            "--format csv: is not for --across; allowed: text, latex, markdown",
        ),
        (["nothing"], "nothing: no such folder; allowed: a folder that"),
    ],
)
def test_mistakes_are_one_line(folders: list[str], arguments: list[str], message: str) -> None:
    done = table(*folders, *arguments, code=2)
    assert done.stdout == "" and done.stderr.startswith(message)
    assert done.stderr.count("\n") == 1


def test_different_metrics_are_no_columns_of_one_table(folders: list[str], tmp_path: Path) -> None:
    judged = described("evaluation.target={metric: loss, value: 1}", "name=other")
    other = str(write_run(tmp_path / "other", judged))
    said = table(folders[0], other, "--format=latex", code=2).stderr
    assert said.startswith("the folders are judged by different metrics: accuracy, loss; allowed:")
    for file_format in (TEXT, "csv"):
        assert "other" in table(folders[0], other, f"--format={file_format}").stdout


def test_nothing_finished_is_no_table_for_a_paper(tmp_path: Path) -> None:
    wanted = swept(f"{RATE}=1 / h,2 / h")
    names = [point.name for point in wanted.points]
    folder = str(write_sweep(tmp_path / "sweep", wanted, unfinished=names))
    said = table(folder, "--format=markdown", code=2).stderr
    assert said == f"{folder}: none of its runs is finished; allowed: --format csv\n"
    assert len(table(folder, "--format=csv").stdout.splitlines()) == 5


BLOW = "{blow: {kind: crash, node: server, at: 30 s}}"


def struck(run: Run) -> tuple[Sequence[ScoreRow], Sequence[TraceRow]]:
    """Where the server crashes each client ends a quarter lower, under seed 1 an eighth."""
    scores, traces = two_looks(run)
    less = {0: 0.25, 1: 0.125}[run[2]] if "blow" in run[0] and run[1] == "fedavg" else 0.0
    return [row._replace(value=row.value - less * (row.time_s > 0)) for row in scores], traces


def test_across_has_a_column_for_each_value_and_what_it_changes(tmp_path: Path) -> None:
    folder = str(write_sweep(tmp_path / "sweep", swept(f"faults={{}},{BLOW}"), struck))
    lines = [line.split() for line in table(folder, "--across=faults").stdout.splitlines()]
    # Two clients end at 1/4 and 2/4; of two seeds the mean alone is told.
    assert ["protocol", "none", "blow"] in lines and ["fedavg", "0.375", "0.188"] in lines
    assert ["fedavg", "−0.188"] in lines and ["local", "+0.000"] in lines
    text = table(folder, "--across=faults", "--format=markdown").stdout
    assert "| fedavg | 0.375 | 0.188 |" in text and "| fedavg | −0.188 |" in text
    chosen = table(folder, "--where=faults=blow", "--format=csv").stdout
    assert pd.read_csv(io.StringIO(chosen))["faults"].tolist() == ["blow"] * 2


def test_across_of_two_paths_has_a_row_for_each_value_of_the_other(tmp_path: Path) -> None:
    wanted = swept(f"faults={{}},{BLOW}", "network.packet_loss=0,0.5")
    folder = str(write_sweep(tmp_path / "sweep", wanted, struck))
    text = table(folder, "--across=packet_loss", "--format=markdown").stdout
    assert "| faults | protocol | 0 | 0.5 |" in text
    assert "| none | fedavg | 0.375 | 0.375 |" in text and "| blow | fedavg | +0.000 |" in text
