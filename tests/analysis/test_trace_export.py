"""Exports of real runs keep the format's rules; choices and disks that fail are one clear line."""

from pathlib import Path
from typing import Any

import pytest

from analysis.loading import load
from analysis.trace_export import export
from sim.record.errors import ResultError
from sim.runs.session import Session
from sim.runs.sweep import run_one
from sim.scenario import load as scenario_of
from tests.analysis.folders import RATE, described, swept, write_run, write_sweep
from tests.analysis.trace_events import checked, track_names

CHANGES = (
    "clients.count=4",
    "duration=4 min",
    "seeds=[0]",
    "protocols={braintorrent: {}, fedavg: {deadline: 30 s}, pooled: {}}",
    "clients.step_time=100 ms",
    "network.packet_loss=0.1",
    "network.uplink=100 kbit/s",
    "faults={churn: {kind: churn, nodes: all, failure_rate: 30 / h, mean_time_to_repair: 20 s,"
    " loses_storage: true},"
    " split: {kind: partition, groups: [[client_0, client_1]], at: 90 s, heals_after: 1 min},"
    " drag: {kind: slowdown, nodes: clients, factor: 3, at: 1 min, lasts: 2 min},"
    " dropout: {kind: client_dropout, probability: 0.2}}",
)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("real")
    session = Session(folder, 0, 1 << 30, lambda text: None, lambda progress: None)
    run_one(scenario_of("churn", CHANGES), session)
    return folder


@pytest.mark.parametrize("protocol", ["braintorrent", "fedavg", "pooled"])
def test_a_real_run_keeps_the_format_s_rules(real: Path, protocol: str) -> None:
    target = export(real, protocol=protocol)
    assert target == real / f"{protocol}-seed0.perfetto.json"
    events, trace = checked(target.read_text()), load(real).trace(protocols=protocol)
    counts = trace["kind"].value_counts()
    delivered = int(counts.get("transfer", 0))
    for phase, number in (("s", delivered), ("f", delivered)):
        assert sum(event["ph"] == phase for event in events) == number
    for kind in ("train", "train_lost", "merge", "round", "message_lost", "storage_lost"):
        found = sum(event.get("cat") == kind for event in events)
        assert found == counts.get(kind, 0), kind
    if protocol != "pooled":
        names = set(track_names(events).values())
        assert {"network", "client_3", "client_3 slowed", "client_3 receives"} <= names
        assert sum(event.get("cat") == "down" for event in events) == counts["crash"] > 0
        assert {"train_lost", "transfer_lost", "partition"} <= set(counts.index)
    # Each node does one thing at a time, so that its own track needs no second lane.
    own = {"client_0", "client_1", "client_2", "client_3", "server", "pooled"}
    assert not any(
        name.removesuffix(" (2)") in own - {name} for name in track_names(events).values()
    )


def test_an_export_has_the_same_bytes_each_time(real: Path, tmp_path: Path) -> None:
    first = export(real, protocol="braintorrent", out=tmp_path / "new" / "a.json")
    again = export(real, protocol="braintorrent", out=tmp_path / "new" / "b.json")
    assert first.read_bytes() == again.read_bytes()
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["a.json", "b.json"]


def test_a_sweep_s_file_is_named_after_its_point(tmp_path: Path) -> None:
    folder = write_sweep(tmp_path / "out", swept(f"{RATE}=0 / h,4 / h", seeds=1))
    target = export(folder, point="churn.failure_rate-4perh", protocol="local")
    assert target.name == "churn.failure_rate-4perh-local-seed0.perfetto.json"
    assert '"name":"churn churn.failure_rate-4perh local seed 0"' in target.read_text()


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"protocol": "x"}, "--protocol x: not in {folder}; allowed: local, fedavg"),
        ({}, "--protocol: is needed, one of several; allowed: local, fedavg"),
        ({"protocol": "local"}, "--seed: is needed, one of several; allowed: 0, 1"),
        ({"protocol": "local", "seed": 7}, "--seed 7: not in {folder}; allowed: 0, 1"),
        ({"protocol": "local", "point": "a"}, "--point a: not in {folder}; allowed: base"),
        (
            {"protocol": "local", "seed": 1},
            "{folder}: local seed 1 is failed: out of memory; allowed: a finished run",
        ),
        ({"file_format": "svg"}, "--format svg: unknown; allowed: perfetto"),
    ],
)
def test_a_choice_that_is_not_there_is_refused(
    tmp_path: Path, choice: dict[str, Any], message: str
) -> None:
    folder = write_run(tmp_path / "out", described(), failed=[("base", "local", 1)])
    before = sorted(folder.iterdir())
    with pytest.raises(ResultError) as caught:
        export(folder, **choice)
    assert str(caught.value) == message.format(folder=folder)
    assert sorted(folder.iterdir()) == before


def test_a_file_that_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = write_run(tmp_path / "out", described())
    (tmp_path / "taken").mkdir()
    with pytest.raises(ResultError, match=r"taken: cannot be written: "):
        export(folder, protocol="local", seed=0, out=tmp_path / "taken")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "taken"]


def test_what_fails_midway_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_run(tmp_path / "out", described())
    target = export(folder, protocol="local", seed=0, out=tmp_path / "a.json")
    before = target.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(ResultError, match=r"a\.json: cannot be written: No space left on device"):
        export(folder, protocol="fedavg", seed=0, out=target)
    assert target.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "out"]
