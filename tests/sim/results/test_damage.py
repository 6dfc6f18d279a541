"""Finished folders whose files were damaged: the same command says so, and makes the same again.

Every file of a run with code and kept models, and of a sweep, comes to every harm.
"""

import json
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sim.record.code import NO_CODE, activate, read
from sim.runs.session import Done, Session
from sim.runs.sweep import run_one, run_sweep
from sim.scenario import grid, load
from tests.sim.runs.test_growth import UNLIKE

NETWORK = """
import torch

def Tiny(outputs):
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, outputs))
"""
WORLD = [
    "clients.count=2",
    "duration=1 min",
    "seeds=[0]",
    "faults={}",
    "protocols={local: {}, braintorrent: {}}",
]
RUN = ["model.name=mine.Tiny", "output.keep_models=trained"]
MODEL = "models/local/0/client_1.safetensors"
COPIES = ("scenario.yaml", "sweep.yaml", ".py")
"""What has these ends can be written again without work."""


def swapped(path: Path) -> None:
    """With the next file of that end, in this folder or in another one; or else with a table."""
    home = next(above for above in path.parents if (above / "store").is_dir())
    alike = [*sorted(home.rglob(f"*{path.suffix}")), *sorted(home.glob("*.parquet"))]
    others = [one for one in alike if "store" not in one.parts]
    other = others[others.index(path) + 1]
    one, two = path.read_bytes(), other.read_bytes()
    path.write_bytes(two)
    other.write_bytes(one)


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def in_its_place(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def harm(path: Path) -> None:
        path.unlink()
        make(path)

    return harm


def bound(path: Path) -> None:
    """A socket; its name is too long for one where it has to be made."""
    before = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(path.name)
    finally:
        os.chdir(before)


HARMS: dict[str, Callable[[Path], object]] = {
    "emptied": lambda path: path.write_bytes(b""),
    "flipped": flipped,
    "cut": lambda path: os.truncate(path, path.stat().st_size // 2),
    "longer": lambda path: path.write_bytes(path.read_bytes() + b"\n#"),
    "swapped": swapped,
    "deleted": Path.unlink,
    "folder": in_its_place(Path.mkdir),
    "pipe": in_its_place(os.mkfifo),
    "socket": in_its_place(bound),
    "dead link": in_its_place(lambda path: path.symlink_to(path.parent / "nowhere")),
    "link": in_its_place(lambda path: path.symlink_to(__file__)),
}


def content(folder: Path) -> dict[str, object]:
    """Every file but the store's; of records all but how long it took and what was done now."""
    return {
        path.relative_to(folder).as_posix(): _content(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock" and "store" not in path.parts
    }


def _content(path: Path) -> object:
    assert not path.is_symlink()
    if path.suffix != ".json":
        return path.read_bytes()
    told = json.loads(path.read_text())
    return {name: value for name, value in told.items() if name not in UNLIKE}


Command = Callable[[Session], Done | None]


class Finished:
    """A finished folder, what made it, and what it holds."""

    def __init__(self, home: Path, command: Command) -> None:
        self.whole, self._command = home / "whole", command
        self._used = home / "used"
        assert self.again(self.whole) == ([], True)
        self.expected = content(self.whole)
        assert self.again(self.copy()) == ([], False)

    def copy(self) -> Path:
        """Another like it."""
        shutil.rmtree(self._used, ignore_errors=True)
        return Path(shutil.copytree(self.whole, self._used))

    def again(self, folder: Path) -> tuple[list[str], bool]:
        """What the same command says, and whether anything was done."""
        told: list[str] = []
        done = self._command(Session(folder, 0, 1 << 30, told.append, lambda _: None))
        return told, done is not None


@pytest.fixture(scope="module")
def a_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Finished]:
    home = tmp_path_factory.mktemp("run")
    (home / "mine.py").write_text(NETWORK)
    activate(read([f"{home}/mine.py"]))
    scenario = load("server_crash", [*WORLD, *RUN])
    yield Finished(home, lambda session: run_one(scenario, session))
    activate(NO_CODE, {})


@pytest.fixture(scope="module")
def a_sweep(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    swept = grid("server_crash", WORLD, ["clients.step_time=1 s,2 s"])
    return Finished(tmp_path_factory.mktemp("sweep"), lambda session: run_sweep(swept, session))


def harmed(finished: Finished, name: str, harm: str) -> None:
    """A file of the folder comes to harm: that is told, and undone."""
    folder = finished.copy()
    HARMS[harm](folder / name)
    told, done = finished.again(folder)
    assert content(folder) == finished.expected, (name, harm, told)
    if name.endswith(".json") and harm in ("deleted", "dead link"):
        assert told == []  # As if the command had been stopped before its end.
    else:
        assert told and all("is mended" in line or "made anew" in line for line in told)
        # A record that was swapped for another says of all others that they aren't its own.
        assert harm == "swapped" or name.rpartition("/")[2] in told[0], (name, told)
    assert harm == "swapped" or done != name.endswith(COPIES), (name, harm, told)
    assert finished.again(folder) == ([], False)


def test_a_run_that_was_damaged_is_mended(a_run: Finished) -> None:
    harmed(a_run, "scores.parquet", "flipped")
    harmed(a_run, "code/mine.py", "flipped")
    harmed(a_run, MODEL, "folder")


def test_a_sweep_that_was_damaged_is_mended(a_sweep: Finished) -> None:
    harmed(a_sweep, "runs.parquet", "swapped")
    harmed(a_sweep, "sweep.json", "flipped")
    harmed(a_sweep, "runs/clients.step_time-2s/run.json", "cut")


@pytest.mark.slow
@pytest.mark.parametrize("harm", HARMS)
def test_whatever_was_damaged_is_mended(a_run: Finished, a_sweep: Finished, harm: str) -> None:
    for finished in (a_run, a_sweep):
        for name in finished.expected:
            harmed(finished, name, harm)
