"""Malformed scenarios, one mistake each: one line with the place, the path, what and allowed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sim.record.errors import ScenarioError
from sim.scenario import load

SCENARIO = """\
# Does training survive the loss of the server?
name: server_crash
duration: 30 min
seeds: [0, 1, 2]
task: {name: digits, partition: {kind: dirichlet, alpha: 0.3}}
model: {name: mlp}
training: {optimizer: sgd, learning_rate: 0.05, batch_size: 32, local_epochs: 2}
clients:
  count: 10
  step_time: {distribution: lognormal, median: 0.5 s, sigma: 0.6}
network:
  latency: {distribution: uniform, low: 20 ms, high: 150 ms}
  uplink: 20 Mbit/s
  downlink: 100 Mbit/s
  sharing: max_min
server: {uplink: 1 Gbit/s, downlink: 1 Gbit/s, aggregation_time: 1 s}
faults:
  server_crash: {kind: crash, node: server, at: 10 min}
protocols:
  braintorrent: {schedule: independent}
  fedavg: {deadline: 2 min, minimum_fraction: 0.5}
  pooled: {}
  local: {}
evaluation: {every: 1 min, target: {metric: accuracy, value: 0.9}}
"""

TABLE = Path(__file__).with_name("mistakes.txt").read_text(encoding="utf-8").splitlines()
LINES = [line.strip() for line in TABLE if line and not line.startswith("#")]
CASES = list(zip(LINES[::2], LINES[1::2], strict=True))


def mistakes() -> Iterator[tuple[str, str, str]]:
    """What to replace in the scenario, by what, and how the message begins."""
    old = ""
    for change, message in CASES:
        if not change.startswith("--set "):
            before, new = (
                part.strip().encode().decode("unicode_escape") for part in change.split("=>")
            )
            old = before or old
            yield old, new, message


MISTAKES = list(mistakes())
OVERRIDES = [
    (change.removeprefix("--set "), message)
    for change, message in CASES
    if change.startswith("--set ")
]
FILES = [
    (b"", "1:1: (top): file is empty"),
    (b"# only a comment\n", "2:1: (top): file is empty"),
    (b"\x89PNG\r\n\x00\x1a", "1:1: (top): is a binary file"),
    (b"name: \xff\xfe", "1:1: (top): is a binary file"),
    (b"# " + b"x" * 10_000_000, "1:1: (top): file is too large; allowed: up to 1000000 bytes"),
    (b"just text\n", "1:1: (top): is not a scenario; allowed: a mapping"),
    (b"- a\n- b\n", "1:1: (top): is not a scenario; allowed: a mapping"),
]


def complaint(path: Path | str, *overrides: str) -> str:
    with pytest.raises(ScenarioError) as caught:
        load(path, overrides)
    text = str(caught.value)
    assert "\n" not in text
    assert "; allowed: " in text and not text.endswith("; allowed: ")
    assert "pydantic" not in text and "Input should" not in text
    return text


def test_there_are_enough_mistakes_and_the_scenario_has_none(tmp_path: Path) -> None:
    assert len(MISTAKES) + len(FILES) + len(OVERRIDES) >= 60
    path = tmp_path / "scenario.yaml"
    path.write_text(SCENARIO, encoding="utf-8")
    assert load(path).name == "server_crash"


@pytest.mark.parametrize(
    ("old", "new", "message"), MISTAKES, ids=[f"{old} => {new}" for old, new, _ in MISTAKES]
)
def test_a_mistake_is_told_in_one_line(old: str, new: str, message: str, tmp_path: Path) -> None:
    assert SCENARIO.count(old) == 1
    path = tmp_path / "scenario.yaml"
    path.write_text(SCENARIO.replace(old, new), encoding="utf-8")
    assert complaint(path).startswith(f"{path}:{message}")


@pytest.mark.parametrize(("override", "message"), OVERRIDES)
def test_a_mistaken_override_is_named(override: str, message: str) -> None:
    assert complaint("server_crash", override).startswith(f"--set {override}: {message}")


@pytest.mark.parametrize(("content", "message"), FILES)
def test_a_file_that_is_no_scenario(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "scenario.yaml"
    path.write_bytes(content)
    assert complaint(path).startswith(f"{path}:{message}")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    assert complaint(tmp_path / "no.yaml").startswith(f"{tmp_path}/no.yaml:1:1: (top): no such")
    assert complaint(tmp_path).startswith(f"{tmp_path}:1:1: (top): is a folder")
    assert "server_crash" in complaint("no_such_scenario")
    assert "is no file name" in complaint("a\0b.yaml")
