"""One program at a time in a folder: refused while held, free when the holder is gone."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sim.record.errors import ScenarioError
from sim.results.folder_lock import LOCK_FILE, holder, locked

HOLDER = """
import sys, time
from pathlib import Path
from sim.results.folder_lock import locked
with locked(Path(sys.argv[1]), print):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_held_folder_is_refused_with_its_holder_and_free_afterwards(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "out"
    assert holder(folder) is None and not folder.exists()
    with locked(folder, print):
        assert holder(folder) == str(os.getpid())
        with pytest.raises(ScenarioError) as caught, locked(folder, print):
            raise AssertionError("held twice")
        assert str(caught.value) == (
            f"--out {folder}: another braintorrent (process {os.getpid()}) is working there; "
            "wait for it, or choose another folder (--out DIR)"
        )
        assert holder(folder) == str(os.getpid())
    assert holder(folder) is None
    with locked(folder, print):
        pass


def test_to_look_leaves_nothing_behind(tmp_path: Path) -> None:
    assert holder(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_the_lock_ends_with_a_holder_that_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        assert holder(tmp_path) == str(process.pid)
        process.send_signal(signal.SIGKILL)
    assert holder(tmp_path) is None
    with locked(tmp_path, print):
        assert holder(tmp_path) == str(os.getpid())


def test_a_holder_that_left_no_number_is_a_question_mark(tmp_path: Path) -> None:
    with locked(tmp_path, print):
        (tmp_path / LOCK_FILE).write_text("nonsense", encoding="ascii")
        assert holder(tmp_path) == "?"


def test_a_folder_that_cannot_be_made_is_a_mistake(tmp_path: Path) -> None:
    (file := tmp_path / "file").write_text("")
    with pytest.raises(ScenarioError, match="cannot write there"), locked(file / "x", print):
        pass


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS])
def test_where_there_are_no_locks_that_is_told_and_nobody_is_kept_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refused(*arguments: object) -> None:
        raise OSError(number, "no locks")

    monkeypatch.setattr(fcntl, "flock", refused)
    told: list[str] = []
    with locked(tmp_path, told.append), locked(tmp_path, told.append):
        assert holder(tmp_path) is None
    what = "its file system has no locks: nobody else may work there meanwhile"
    assert told == [f"{tmp_path}: {what}"] * 2
