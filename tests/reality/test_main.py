"""What the command is asked for that it can't do is said in one line, before anything is played."""

import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from tests.reality import trial
from tests.reality.__main__ import main
from tests.reality.harness import Played, Stopped
from tests.reality.network.hosts import Report
from tests.reality.predict import predicted
from tests.reality.transfers.__main__ import main as transfers
from tests.reality.worlds import World

NAME = "swarm:client_crash:0"
Play = Callable[[World, Path, threading.Event], Played]


def as_simulated(world: World, folder: Path, stop: threading.Event) -> Played:
    return Played(predicted(world, "fluid"), Report(1, {}, 0.0, 0.0))


@pytest.fixture
def plays(monkeypatch: pytest.MonkeyPatch) -> Callable[[Play], None]:
    """Lets another function play what real processes would."""
    monkeypatch.setattr(trial, "missing", lambda: "")
    return lambda play: monkeypatch.setattr(trial, "steadily_played", play)


def ended(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[object, str]:
    """The exit code, and the last line of what is said."""
    with pytest.raises(SystemExit) as exit:
        main(arguments)
    return exit.value.code, capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--seeds", "0"], "--seeds: is '0'; allowed: 1, 2, 3, ..."),
        (["--jobs", "-1"], "--jobs: is '-1'; allowed: 1, 2, 3, ..."),
        (["--only", "loss", "--only", "nil"], "PROTOCOL:WORLD:SEED, of braintorrent, fedavg,"),
        (["--out", "file"], "file: File exists"),
        (["--page", "no.md"], "no.md: No such file or directory"),
        (["--keep", "no/runs.csv.gz"], "--keep: no: no such folder"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    with pytest.raises(SystemExit) as exit:
        main(["--out", "out", *arguments])
    told = capsys.readouterr().err
    assert exit.value.code == 2
    assert said in told and told.count("\n") == 1 and len(told) < 320


def test_transfers_are_asked_for_alike(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--jobs", "0"], ["none"]):
        with pytest.raises(SystemExit) as exit:
            transfers(arguments)
        assert exit.value.code == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_what_is_played_is_told_and_kept(
    tmp_path: Path, plays: Callable[[Play], None], capsys: pytest.CaptureFixture[str]
) -> None:
    plays(as_simulated)
    for _ in range(2):
        main(["--out", str(tmp_path), "--only", NAME, "--jobs", "1"])
    out, told = capsys.readouterr()
    first, begins, *_ = told.splitlines()
    assert first == "1 of 1 runs to play, 1 at once: 1 min"
    assert begins == "swarm-client_crash-0: begins"
    assert told.count("\n") == 3  # The second time nothing was left to play.
    assert out.count("| round times, median error | 5 % | 0.0 % |") == 2
    assert (tmp_path / "rounds.png").stat().st_size > 10_000


def test_a_run_that_is_cut_off_is_named_before_anything_is_played(
    tmp_path: Path, plays: Callable[[Play], None], capsys: pytest.CaptureFixture[str]
) -> None:
    plays(as_simulated)
    main(["--out", str(tmp_path), "--only", NAME])
    path = tmp_path / "real" / "swarm-client_crash-0.jsonl"
    path.write_bytes(path.read_bytes()[:-9])
    lines = len(path.read_text(encoding="utf-8").splitlines())
    capsys.readouterr()
    code, said = ended(capsys, "--out", str(tmp_path), "--only", "swarm")
    assert code == 1
    what = "cut off or changed; without the file it is played anew"
    assert said == f"python -m tests.reality: {path}:{lines}: {what}"
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_ctrl_c_stops_what_is_played_at_once(
    tmp_path: Path, plays: Callable[[Play], None], capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(world: World, folder: Path, stop: threading.Event) -> NoReturn:
        main_thread = threading.main_thread().ident
        assert main_thread is not None
        signal.pthread_kill(main_thread, signal.SIGINT)
        assert stop.wait(60)
        raise Stopped

    plays(interrupted)
    # Ignored where tests are run by several processes.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        code, said = ended(capsys, "--out", str(tmp_path), "--only", "swarm", "--jobs", "1")
    finally:
        signal.signal(signal.SIGINT, before)
    assert code == 130
    assert said.startswith("python -m tests.reality: interrupted; what was whole is in")
    assert not (tmp_path / "real").exists()


def test_where_nothing_can_be_played_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(trial, "missing", lambda: "ip missing")
    code, said = ended(capsys, "--out", str(tmp_path), "--only", NAME)
    assert (code, said) == (
        1,
        "python -m tests.reality: nothing can be played here: ip missing",
    )
