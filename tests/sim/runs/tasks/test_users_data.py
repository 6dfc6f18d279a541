"""A user's own table, and metrics and losses by name, from the command line to the results."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from sim.cli import app

SCENARIO = """\
name: patients
duration: 20 s
seeds: [0]
task:
  {name: table, path: patients.csv, label: ill, site: hospital, metrics: [auc, f1, my_code.missed]}
model: {name: mlp, hidden: [4]}
training: {learning_rate: 0.1, batch_size: 8, local_epochs: 1}
clients: {count: 3, step_time: 200 ms}
network: {latency: 20 ms, uplink: 20 Mbit/s, downlink: 100 Mbit/s}
protocols: {braintorrent: {}, pooled: {}, local: {}}
evaluation: {every: 10 s, target: {metric: my_code.missed, value: 0.2}}
"""
CODE = '''\
"""What a doctor asks of a model."""


def missed(outputs, labels):
    """The share of the ill who are sent home."""
    ill = labels == 1
    return float((outputs.argmax(axis=1)[ill] == 0).mean()) if ill.any() else float("nan")


missed.better = "lower"
missed.bounds = (0.0, 1.0)


def focal(outputs, labels):
    log_p = outputs.log_softmax(dim=1).gather(1, labels[:, None])[:, 0]
    return -((1 - log_p.exp()) ** 2) * log_p
'''


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Three hospitals, the last of which has no ill patient."""
    draws = np.random.Generator(np.random.Philox(1))
    rows = ["hospital,age,marker,ill"]
    for number in range(150):
        age = draws.integers(20, 90)
        hospital = ["east", "north", "west"][number % 3]
        ill = "yes" if age > 55 and hospital != "west" else "no"
        rows.append(f"{hospital},{age},{age / 20 + draws.standard_normal():.3f},{ill}")
    (tmp_path / "patients.csv").write_text("\n".join(rows) + "\n")
    (tmp_path / "patients.yaml").write_text(SCENARIO)
    (tmp_path / "my_code.py").write_text(CODE)
    return tmp_path


def command(home: Path, verb: str, out: str, *options: str, code: int = 0) -> Result:
    words = [verb, str(home / "patients.yaml"), f"--code={home / 'my_code.py'}"]
    done = CliRunner().invoke(app, [*words, f"--out={home / out}", *options])
    assert done.exit_code == code, done.output
    return done


@pytest.mark.slow
def test_workers_learn_the_same_from_a_table_and_judge_by_the_user_s_code(home: Path) -> None:
    command(home, "run", "here", "--workers=0", "--set=task.loss=my_code.focal")
    command(home, "run", "there", "--workers=1", "--set=task.loss=my_code.focal")
    for table in ("scores.parquet", "trace.parquet"):
        assert (home / "here" / table).read_bytes() == (home / "there" / table).read_bytes()
    record = json.loads((home / "here" / "run.json").read_text())
    assert record["metric"] == "my_code.missed"
    assert record["directions"] == {"auc": "higher", "f1": "higher", "my_code.missed": "lower"}
    assert record["bounds"]["my_code.missed"] == [0.0, 1.0]


def test_what_is_undefined_at_a_site_is_absent_and_nothing_else(home: Path) -> None:
    done = command(home, "run", "out", "--workers=0")
    assert "own site" in done.output
    rows = pq.read_table(home / "out" / "scores.parquet").to_pylist()
    clients = {f"client_{number}" for number in range(3)}
    own = {metric: set[str]() for metric in ("auc", "f1", "my_code.missed")}
    for row in rows:
        assert np.isfinite(row["value"])
        if row["metric"].endswith("_own_site"):
            own[row["metric"].removesuffix("_own_site")].add(row["node"])
    # The west has no ill: no AUC, and nobody to be missed.
    assert own["f1"] == clients
    assert own["auc"] == own["my_code.missed"] == clients - {"client_2"}
    shown = CliRunner().invoke(app, ["report", str(home / "out")])
    assert shown.exit_code == 0, shown.output


def test_which_client_is_which_site_is_said(home: Path) -> None:
    file = home / "patients.csv"
    file.write_text(file.read_text().replace("east", "München"))
    wanted = "sites: client_0 is 'München', client_1 is 'north', client_2 is 'west'"
    words = ["check", str(home / "patients.yaml"), f"--code={home / 'my_code.py'}"]
    done = CliRunner().invoke(app, [*words, "--data"])
    assert done.stderr.splitlines().count(wanted) == 1
    few = ("--workers=0", "--set=duration=1 s", "--set=protocols={local: {}}")
    more = ("--set=evaluation.every=1 s", "--set=task.metrics=[f1]")
    done = command(home, "run", "out", *few, *more, "--set=evaluation.target=null")
    assert wanted in done.stderr.splitlines()
    record = json.loads((home / "out" / "run.json").read_text())
    assert record["sites"] == ["München", "north", "west"]


def test_another_metric_trains_nothing_anew(home: Path) -> None:
    vary = "--vary=task.metrics=[auc],[my_code.missed, auc]"
    options = ("--set=evaluation.target=null", "--protocol=local", "--workers=0")
    command(home, "sweep", "out", vary, *options)
    done = json.loads((home / "out" / "sweep.json").read_text())["operations"]
    assert done["steps_computed"] == done["steps_demanded"] < 0.6 * done["steps_asked"]
    scores = [
        {row["metric"] for row in pq.read_table(path).to_pylist()}
        for path in sorted((home / "out" / "runs").glob("*/scores.parquet"))
    ]
    own = {"auc", "auc_own_site"}
    assert sorted(map(sorted, scores)) == sorted(
        map(sorted, (own, own | {"my_code.missed", "my_code.missed_own_site"}))
    )


def test_a_mistake_in_the_data_is_one_line_and_leaves_nothing(home: Path) -> None:
    file = home / "patients.csv"
    file.write_text(file.read_text().replace("yes", "", 1))
    said = command(home, "run", "out", code=2).stderr
    assert said.startswith(f"{home / 'patients.yaml'}:5:")
    assert f"task.label: {file}: 'ill' is missing in line " in said and said.count("\n") == 1
    said = command(home, "run", "out", "--set=task.path=other.csv", code=2).stderr
    assert "task.path: " in said and "other.csv: no such file" in said and said.count("\n") == 1
    said = command(home, "run", "out", "--set=task.metrics=[f1, my_code.mised]", code=2).stderr
    assert "task.metrics.1: " in said and "defines no mised; allowed: missed, focal" in said
    assert not (home / "out").exists()


def test_results_are_of_the_rows_that_they_came_from(home: Path) -> None:
    one = "--protocol=local"
    command(home, "run", "out", one, "--workers=0")
    file = home / "patients.csv"
    before = file.read_bytes()
    file.write_bytes(before.replace(b"east", b"EAST", 1))
    assert "task.files_sha256: " in command(home, "run", "out", one, code=2).stderr
    file.write_bytes(before)
    assert "finished already" in command(home, "run", "out", one).output
