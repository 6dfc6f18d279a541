"""Odd files by the thousand: read, or refused in one line that names the file."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from models.tasks.nifti import reading
from tests.models.tasks.nifti import fuzz


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="bounds memory as Linux does")
def test_nothing_but_a_message_comes_of_odd_files() -> None:
    # In a process of its own, which may be had no more memory, and says nothing besides.
    command = [sys.executable, "-W", "error", "-m", fuzz.__name__, "--number=5000", "--seed=18"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found = json.loads(done.stdout)
    assert set(found) == {"read", "refused"} and done.stderr == ""
    assert found["read"] > 1000 and found["refused"] > 1000


def test_what_should_not_be_is_found(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["fuzz", "--number=30"])
    monkeypatch.setattr(fuzz, "bounded", lambda: None)
    monkeypatch.setattr(reading, "_DAMAGE", ())
    fuzz.main()
    found = json.loads(capsys.readouterr().out)
    assert any("EOFError" in one for one in found)
