"""Finished results that grow: the same bytes as of the larger scenario in an empty folder."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from analysis import load
from sim.cli import work
from sim.record.errors import ScenarioError
from sim.record.folder import POINTS_FILE, RUN_FILE
from sim.results.status import status
from sim.runs.session import prepared
from sim.scenario import grid
from sim.scenario import load as load_scenario
from tests.sim.counting import steps

SMALL = (
    *("duration=2 min", "clients.count=2", "clients.step_time=0.5 s"),
    "protocols.fedavg.deadline=1 min",
)
AT = "faults.server_crash.at"
MEANS = work.Means(workers=0, progress=False)


def swept(
    folder: Path,
    at: Sequence[str] = ("30 s", "1 min"),
    *,
    seeds: int = 1,
    changes: Sequence[str] = (),
    vary: Sequence[str] = (),
    protocols: Sequence[str] = ("fedavg", "local"),
) -> Path:
    axes = [f"{AT}={','.join(at)}", *vary]
    work.sweep(grid("server_crash", [*SMALL, *changes], axes, seeds, protocols), folder, MEANS)
    return folder


def ran(folder: Path, *changes: str, protocols: Sequence[str] = ("fedavg", "local")) -> Path:
    scenario = load_scenario("server_crash", [*SMALL, "seeds=[3]", *changes])
    work.run(scenario, folder, MEANS, protocols)
    return folder


def results(folder: Path) -> dict[str, object]:
    """Every file's content, but for how long it took and what was done for it now."""
    return {
        path.relative_to(folder).as_posix(): _content(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock" and "store" not in path.parts
    }


UNLIKE = ("wall_s", "operations", "record_sha256")


def _content(path: Path) -> object:
    if path.suffix != ".json":
        return path.read_bytes()
    record = json.loads(path.read_text())
    return {name: value for name, value in record.items() if name not in UNLIKE}


def times(folder: Path) -> dict[str, int]:
    return {name: (folder / name).stat().st_mtime_ns for name in results(folder)}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return swept(tmp_path_factory.mktemp("grow") / "finished")


@pytest.fixture
def there(finished: Path, tmp_path: Path) -> Path:
    """Two points of one seed, finished."""
    return shutil.copytree(finished, tmp_path / "there")


def test_another_value_leaves_what_is_there_alone(there: Path, journal: Path) -> None:
    before = times(there)
    swept(there, at=("30 s", "1 min", "100 s"))
    after = times(there)
    assert {name for name in before if before[name] != after[name]} == {
        *("sweep.yaml", "sweep.json", "scores.parquet", "runs.parquet")
    }
    grown = steps(journal)
    journal.write_text("")
    fresh = swept(there.parent / "fresh", at=("30 s", "1 min", "100 s"))
    assert results(there) == results(fresh)
    assert 0 < grown < steps(journal) / 2


@pytest.mark.parametrize(
    ("asked", "what"),
    [
        ({"at": ("30 s",)}, r"sweep\.faults\.server_crash\.at: \[30 s\] was \[30 s, 1 min\]"),
        ({"changes": ["duration=1 min"]}, r"duration: 60\.0 s was 120\.0 s"),
        ({"seeds": 2, "changes": ["clients.count=3"]}, r"clients\.count: 3 was 2"),
        ({"protocols": ["local"]}, r"protocols\.fedavg: .* is gone"),
    ],
)
def test_what_is_less_or_other_is_refused_with_what_may_grow(
    there: Path, asked: dict[str, Any], what: str
) -> None:
    before = times(there)
    with pytest.raises(ScenarioError, match=rf"\({what}\); .*more of it \(seeds, protocols, "):
        swept(there, **asked)
    assert times(there) == before


GROWN: dict[str, Callable[[Path], Path]] = {
    "seeds": lambda folder: swept(folder, seeds=2),
    "seeds and values": lambda folder: swept(folder, at=("1 min", "100 s", "30 s"), seeds=2),
    "protocols": lambda folder: swept(folder, protocols=["braintorrent", "fedavg", "local"]),
    "longer": lambda folder: swept(folder, changes=["duration=3 min"]),
    "more often": lambda folder: swept(folder, changes=["evaluation.every=20 s"]),
    "another path": lambda folder: swept(folder, vary=["clients.merge_time=1 s,100 ms"]),
    "all": lambda folder: swept(
        folder,
        at=("15 s", "30 s", "1 min"),
        seeds=2,
        changes=["duration=3 min", "evaluation.every=30 s"],
        vary=["clients.merge_time=0.1 s,1 s"],
        protocols=["fedavg", "pooled", "local"],
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("grow", GROWN.values(), ids=list(GROWN))
def test_a_grown_sweep_is_as_if_made_afresh(
    there: Path, grow: Callable[[Path], Path], journal: Path
) -> None:
    grow(there)
    trained = steps(journal)
    journal.write_text("")
    assert results(there) == results(grow(there.parent / "fresh"))
    assert trained <= steps(journal)


@pytest.mark.slow
@pytest.mark.parametrize("keep", ["none", "final"])
def test_a_run_grows_too(keep: str, tmp_path: Path, journal: Path) -> None:
    kept = f"output.keep_models={keep}"
    grown = ran(tmp_path / "grown", kept, protocols=["local"])
    journal.write_text("")
    ran(grown, kept, "seeds=[1, 3]")
    trained = steps(journal)
    journal.write_text("")
    fresh = ran(tmp_path / "fresh", kept, "seeds=[1, 3]")
    assert results(grown) == results(fresh)
    assert trained < steps(journal)


def test_what_another_has_made_of_it_meanwhile_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing = ["duration=1 min", "clients.count=2", "faults={}", "protocols={local: {}}"]
    nothing += [
        "task={name: none, model: 1 kB, steps: 1}",
        "model=",
        "training=",
        "evaluation={every: 1 min}",
    ]

    def grow(seeds: str) -> None:
        work.run(load_scenario("server_crash", [*nothing, f"seeds={seeds}"]), tmp_path, MEANS)

    def meanwhile(*arguments: Any) -> Any:
        monkeypatch.undo()
        grow("[0, 1, 2]")
        return prepared(*arguments)

    grow("[0]")
    monkeypatch.setattr("sim.runs.sweep.prepared", meanwhile)
    with pytest.raises(ScenarioError, match=r"seeds: \[0, 1\] was \[0, 1, 2\]"):
        grow("[0, 1]")
    assert len(load(tmp_path).runs) == 3


class Killed(BaseException):
    """Nothing catches it, as nothing catches a kill."""


@pytest.mark.slow
@pytest.mark.parametrize("grow", [GROWN["seeds"], GROWN["another path"]])
def test_wherever_growth_is_stopped_it_is_the_old_or_in_progress_or_the_new(
    there: Path,
    grow: Callable[[Path], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    old, new = results(there), results(grow(there.parent / "fresh"))
    stopped = 0
    while True:
        folder = shutil.copytree(there, there.parent / f"stopped_{stopped}")
        with monkeypatch.context() as patched:
            _stop_at(stopped, patched)
            try:
                grow(folder)
                break
            except Killed:
                pass
        when = f"after {stopped} changes of the folder"
        assert _is_whole_or_told(folder, old, new), when
        assert results(swept(shutil.copytree(folder, tmp_path / f"back_{stopped}"))) == old, when
        assert results(grow(folder)) == new, when
        stopped += 1
    assert stopped > 12


def _stop_at(change: int, patched: pytest.MonkeyPatch) -> None:
    """Let the process end right before it makes another file appear, move or vanish."""
    made = 0

    def stopping(act: Callable[..., Any]) -> Callable[..., Any]:
        def one(path: Path, *arguments: Any, **options: Any) -> Any:
            nonlocal made
            # What is not there yet vanishes again when a program ends that isn't killed.
            is_result = "store" not in path.parts and not (
                act.__name__ == "unlink" and path.name.endswith(".unfinished")
            )
            if is_result and made == change:
                raise Killed
            made += is_result
            return act(path, *arguments, **options)

        return one

    for name in ("replace", "rename", "unlink"):
        patched.setattr(Path, name, stopping(getattr(Path, name)))
    patched.setattr(shutil, "rmtree", stopping(shutil.rmtree))


def _is_whole_or_told(folder: Path, old: dict[str, object], new: dict[str, object]) -> bool:
    """Whether a reader of the folder gets the old sweep, or the new one, or is told otherwise."""
    found, record = results(folder), json.loads((folder / POINTS_FILE).read_text())
    if record["finished"]:
        return all(found[name] == content for name, content in old.items()) or found == new
    for point in record["points"]:
        place = folder / "runs" / point["name"]
        if (place / RUN_FILE).is_file():
            told = json.loads((place / RUN_FILE).read_text())["points"][0]
            if told["seeds"] != point["seeds"]:
                return False
    return True


def test_readers_know_of_growth_that_was_stopped(
    there: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr("sim.runs.sweep.run_points", lambda *_: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            swept(there, at=("30 s", "1 min", "100 s"))
    assert len(load(there).missing) == 2
    found = status(there)
    assert (found.points, found.points_finished, found.runs, found.runs_finished) == (3, 2, 6, 4)
    assert not json.loads((there / POINTS_FILE).read_text())["finished"]


def test_growth_that_was_stopped_may_be_taken_back(
    there: Path, monkeypatch: pytest.MonkeyPatch, journal: Path
) -> None:
    old = results(there)
    with monkeypatch.context() as patched:
        patched.setattr("sim.runs.sweep.run_points", lambda *_: (_ for _ in ()).throw(Killed))
        with pytest.raises(Killed):
            swept(there, changes=["duration=3 min"])
    assert status(there).runs_finished == 0
    assert results(swept(there)) == old
    assert steps(journal) == 0
