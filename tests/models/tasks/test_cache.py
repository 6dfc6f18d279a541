"""The cache: made once, by one process, and never believed when it is damaged."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from models.tasks.cache import Arrays, kept
from models.tasks.settings import Tell
from sim.record.errors import Refusal

NAMES = ("pixels", "words")


def things(value: int = 1) -> Arrays:
    return {"pixels": np.full((2, 3), value, np.uint8), "words": np.array(["a", "bc"])}


def never() -> Arrays:
    raise AssertionError("made twice")


def interrupted() -> Arrays:
    raise KeyboardInterrupt


def had(path: Path, make: Callable[[], Arrays], tell: Tell = lambda line: None) -> int:
    """The pixels' value, of arrays that are whole."""
    arrays = kept(path, NAMES, make, tell, "things")
    assert list(arrays) == list(NAMES)
    assert arrays["pixels"].dtype == np.uint8 and arrays["words"].tolist() == ["a", "bc"]
    (value,) = np.unique(arrays["pixels"]).tolist()
    return int(value)


def test_what_was_made_is_read(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "a.npz"
    assert had(path, things) == had(path, never) == 1


def test_a_damaged_file_is_noticed_and_made_again(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    had(path, things)
    whole = path.read_bytes()
    middle = whole.index(b"pixels.npy") + 60
    flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
    cuts = [whole[:cut] for cut in (0, 10, len(whole) // 2, len(whole) - 1)]
    for damaged in (flipped, *cuts):
        path.write_bytes(damaged)
        assert had(path, lambda: things(2)) == had(path, never) == 2
    np.savez(path, pixels=np.zeros(1))
    assert had(path, things) == had(path, never) == 1


def test_a_file_that_was_made_as_another_is_not_believed(tmp_path: Path) -> None:
    one, other = tmp_path / "a.npz", tmp_path / "b.npz"
    had(one, things)
    other.write_bytes(one.read_bytes())
    assert had(other, lambda: things(2)) == had(other, never) == 2
    assert had(one, never) == 1


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    os.mkfifo(path)
    assert had(path, things) == had(path, never) == 1


def test_an_interruption_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    with pytest.raises(KeyboardInterrupt):
        had(path, interrupted)
    assert [file for file in tmp_path.iterdir() if file.suffix != ".lock"] == []
    had(path, things)
    assert sorted(file.suffix for file in tmp_path.iterdir()) == [".lock", ".npz"]


def test_of_two_at_once_one_makes_them_and_both_get_them(tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    made: list[int] = []
    others: list[int] = []
    said: list[str] = []
    # A thread's lock is its own, as a process' is.
    other = threading.Thread(target=lambda: others.append(had(path, never, said.append)))

    def slowly() -> Arrays:
        made.append(1)
        other.start()
        other.join(0.2)
        assert other.is_alive()
        return things(3)

    had(path, slowly)
    other.join()
    assert (made, others) == ([1], [3])
    assert said == ["waiting for another process that makes the same things"]


def test_a_folder_that_can_not_be_written_to_is_the_users_mistake(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Refusal, match="things can't be kept there.*allowed: .*XDG_CACHE_HOME"):
        had(tmp_path / "file" / "a.npz", things)
