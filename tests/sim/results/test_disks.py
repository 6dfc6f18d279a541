"""Disks that are full, read-only, without locks, or from which a folder is taken: one line, and
nothing is lost: the same command makes the bytes that it would have made.
"""

import fcntl
import os
import subprocess
from collections.abc import Iterator
from errno import ENOLCK
from pathlib import Path
from typing import Any

import pytest

from sim.record.errors import ScenarioError
from sim.results import kept
from sim.runs.session import Session
from sim.runs.sweep import run_one
from sim.scenario import load

CHANGES = ["clients.count=2", "duration=4 min", "seeds=[0]", "faults={}", "protocols={local: {}}"]
SCENARIO = load("server_crash", [*CHANGES, "output.keep_models=trained"])
MODEL = "models/local/0/client_1.safetensors"


def run(folder: Path, workers: int = 0) -> tuple[bool, list[str]]:
    """Whether anything was done, and what was told."""
    told: list[str] = []
    done = run_one(SCENARIO, Session(folder, workers, 1 << 30, told.append, lambda _: None))
    return done is not None, told


def content(folder: Path) -> list[bytes]:
    return [(folder / name).read_bytes() for name in ("scores.parquet", "trace.parquet", MODEL)]


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    folder = tmp_path_factory.mktemp("disks") / "whole"
    assert run(folder) == (True, [])
    return content(folder)


class Disk:
    """A small file system in memory."""

    def __init__(self, home: Path) -> None:
        self.home = home
        _mount("-t", "tmpfs", "-o", "size=64k", "tmpfs", str(home))

    def change(self, options: str) -> None:
        """Mount it otherwise."""
        _mount("-o", f"remount,{options}", str(self.home))


def _mount(*words: str) -> None:
    done = subprocess.run(["mount", *words], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    (home := tmp_path / "disk").mkdir()
    if os.geteuid():
        pytest.skip("only root may mount a small disk")
    yield Disk(home)
    subprocess.run(["umount", "--lazy", str(home)], check=True)


def test_a_full_disk_is_told_and_the_same_command_goes_on(
    disk: Disk, expected: list[bytes]
) -> None:
    folder = disk.home / "out"
    with pytest.raises(ScenarioError) as error:
        run(folder)
    assert str(error.value).startswith(f"--out {folder}: cannot write there: ")
    assert "No space left on device; what is finished stays, and the same" in str(error.value)
    disk.change("size=20m")
    assert run(folder)[0] and content(folder) == expected


def test_a_disk_that_is_read_only_shows_what_is_finished_and_takes_nothing(
    disk: Disk, expected: list[bytes]
) -> None:
    disk.change("size=20m")
    run(disk.home / "out")
    disk.change("ro")
    assert run(disk.home / "out") == (False, [])
    with pytest.raises(ScenarioError, match="deep: cannot write there: the file system is read-o"):
        run(disk.home / "other" / "deep")
    assert content(disk.home / "out") == expected


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_a_folder_that_is_moved_while_it_is_written_to_goes_on_where_it_is(
    tmp_path: Path, expected: list[bytes], monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    folder, moved = tmp_path / "out", tmp_path / "moved"
    is_there = kept.is_there

    def move(*asked: Any) -> bool:
        """Before the first model is asked for, let alone trained."""
        if folder.exists():
            folder.rename(moved)
        return is_there(*asked)

    monkeypatch.setattr(kept, "is_there", move)
    with pytest.raises(ScenarioError) as error:
        run(folder, workers)
    what = "it was moved or removed while it was written to"
    assert str(error.value).startswith(f"--out {folder}: cannot write there: {what}; ")
    assert not folder.exists()
    assert run(moved)[0] and content(moved) == expected


def test_a_disk_without_locks_is_told_of(
    tmp_path: Path, expected: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*arguments: object) -> None:
        raise OSError(ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refused)
    told = f"{tmp_path}: its file system has no locks: nobody else may work there meanwhile"
    assert run(tmp_path) == (True, [told])
    assert content(tmp_path) == expected
