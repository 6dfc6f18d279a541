"""One of each kind from a package of its own: one file and one line in a dict, nothing else."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from analysis import load
from models.networks import NETWORKS
from models.partitions import PARTITIONS
from models.tasks import TASKS
from sim.cli import app
from sim.faults import FAULTS
from sim.protocols import PROTOCOLS
from tests.outside.blackout import Blackout
from tests.outside.forgetful import Forgetful
from tests.outside.halves import Halves
from tests.outside.relay import Relay
from tests.outside.ring import Ring
from tests.outside.turns import Turns

KINDS: tuple[tuple[dict[str, Any], str, Any], ...] = (
    (PROTOCOLS, "relay", Relay),
    (PROTOCOLS, "ring", Ring),
    (FAULTS, "blackout", Blackout),
    (TASKS, "halves", Halves),
    (NETWORKS, "forgetful", Forgetful),
    (PARTITIONS, "turns", Turns),
)
SCENARIO = """\
# Does anything here know its kinds by name?
name: outside
duration: 4 min
seeds: [0, 1]
task: {name: halves, partition: {kind: turns}}
model: {name: forgetful}
training: {learning_rate: 0.5, batch_size: 5, local_epochs: 1}
clients: {count: 3, step_time: 2 s}
network: {latency: 50 ms, uplink: 20 Mbit/s, downlink: 100 Mbit/s}
server: {uplink: 1 Gbit/s, downlink: 1 Gbit/s, aggregation_time: 1 s}
faults:
  dark: {kind: blackout, at: 1 min, lasts: 30 s}
protocols: {relay: {patience: 10 s}, ring: {}, fedavg: {deadline: 30 s}}
evaluation: {every: 30 s}
"""


@pytest.fixture
def scenario(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Where it lies; its kinds are known for one test."""
    for registry, name, kind in KINDS:
        monkeypatch.setitem(registry, name, kind)
    path = tmp_path / "outside.yaml"
    path.write_text(SCENARIO, encoding="utf-8")
    return str(path)


def braintorrent(*arguments: str | Path) -> str:
    done = CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.slow
def test_kinds_from_outside_run_in_workers_too(scenario: str, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    found = json.loads(braintorrent("run", scenario, "--out", here, "--workers=0", "--json"))
    braintorrent("run", scenario, "--out", there, "--workers=1")
    # A random layer's draws are the operation's own, so they are the same in any process.
    for table in ("scores.parquet", "trace.parquet"):
        assert (here / table).read_bytes() == (there / table).read_bytes()
    lines = {line["protocol"]: line for line in found["protocols"]}
    assert list(lines) == ["relay", "ring", "fedavg"] and found["metric"] == "error"
    assert all(line["scores"]["mean"]["count"] == 2 for line in lines.values())
    # The blackout took what was under way from each client that was training.
    assert lines["ring"]["local_rounds_lost"] > 0
    assert braintorrent("status", here).endswith("runs: 6 of 6 finished\n")


def test_kinds_from_outside_are_swept_drawn_and_reported(scenario: str, tmp_path: Path) -> None:
    out = tmp_path / "swept"
    vary = "faults.dark.lasts=10 s,60 s"
    braintorrent("sweep", scenario, "--vary", vary, "--out", out, "--workers=0")
    figures = ("failure_rate", "difference", "convergence", "timeline")
    for figure in figures:
        chosen = ["--point", "dark.lasts-10s"] if figure == "timeline" else []
        braintorrent("plot", out, "--figure", figure, *chosen, "--out", tmp_path / f"{figure}.png")
        assert (tmp_path / f"{figure}.png").stat().st_size > 10_000
    page = tmp_path / "report.html"
    braintorrent("report", out, "--out", page)
    found = load(out)
    assert (found.metric, found.directions) == ("error", {"error": "lower"})
    assert "Does anything here know its kinds by name?" in page.read_text(encoding="utf-8")


def test_kinds_from_outside_are_listed_and_their_mistakes_told(
    scenario: str, tmp_path: Path
) -> None:
    listed = braintorrent("list")
    assert all(f"\n  {name} " in listed for _, name, _ in KINDS)
    assert '"Blackout"' in braintorrent("schema")
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(SCENARIO.replace("lasts: 30 s", "last: 30 s"), encoding="utf-8")
    done = CliRunner().invoke(app, ["check", str(wrong)])
    assert done.exit_code == 2
    assert done.stderr == (
        f"{wrong}:12:37: faults.dark.last: unknown key, did you mean lasts?; "
        "allowed: kind, at, lasts\n"
    )
