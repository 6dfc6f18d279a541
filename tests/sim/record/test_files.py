"""A user's files: opened if they are files, and named by what they hold."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from sim.record.errors import Refusal
from sim.record.settings.files import file_digest, opened

SETTING = ("task", "path")


def test_a_file_is_named_by_what_it_holds(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"content")
    (tmp_path / "link").symlink_to("a")
    for name in ("a", "link"):
        digest = file_digest(tmp_path / name, "a file", SETTING)
        assert digest == hashlib.sha256(b"content").digest()


def test_what_is_none_keeps_nobody_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    long = "x" * 300
    for name, what in {
        "pipe": "can't be read (is a pipe)",
        "": "can't be read (is a folder)",
        "/dev/zero": "can't be read (is a device)",
        "loop": "can't be read (Too many levels of symbolic links)",
        long: "can't be read (File name too long)",
        "missing": "no such file",
        "null\0character": "no such file",
    }.items():
        file = tmp_path / name
        with pytest.raises(Refusal) as caught:
            opened(file, "a file", SETTING)
        assert caught.value.args == (f"{file}: {what}", "a file", SETTING)
