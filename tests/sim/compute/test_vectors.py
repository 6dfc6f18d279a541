"""Vectors in files: exact, whole or not there, and any damage noticed."""

import errno
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sim.compute.refs import Vector
from sim.compute.store.vectors import DamagedVector, VectorFolder, VectorMemory, Vectors
from tests.sim.compute.small_disk import largest_file

NAME, OTHER = "1a" * 16, "2b" * 16
SPECIAL = np.array([np.nan, np.inf, -np.inf, -0.0, 1e-45, 3.4e38, 1 / 3], np.float32)


def file_of(folder: Path, name: str) -> Path:
    return folder / name[:2] / f"{name}.npy"


@pytest.fixture(params=["folder", "memory"])
def vectors(request: pytest.FixtureRequest, tmp_path: Path) -> Vectors:
    return VectorFolder(tmp_path) if request.param == "folder" else VectorMemory()


@pytest.mark.parametrize("vector", [SPECIAL, SPECIAL[:0], SPECIAL[::2]], ids=str)
def test_what_is_read_is_what_was_written_bit_for_bit(vectors: Vectors, vector: Vector) -> None:
    vectors.write(NAME, vector)
    read = vectors.read(NAME)
    assert (read.dtype, read.shape) == (np.dtype(np.float32), vector.shape)
    assert read.tobytes() == vector.tobytes()


@given(bits=arrays(np.uint32, st.integers(0, 40)))
def test_any_bits_come_back(tmp_path_factory: pytest.TempPathFactory, bits: np.ndarray) -> None:
    folder = VectorFolder(tmp_path_factory.getbasetemp())
    folder.write(NAME, bits.view(np.float32))
    assert folder.read(NAME).tobytes() == bits.tobytes()


def test_who_reads_may_write_into_it_and_nobody_else_sees(vectors: Vectors) -> None:
    vector = SPECIAL.copy()
    vectors.write(NAME, vector)
    vector[:] = 1
    vectors.read(NAME)[:] = 2
    assert vectors.read(NAME).tobytes() == SPECIAL.tobytes()


def test_a_missing_one_is_not_found_and_may_be_removed(vectors: Vectors) -> None:
    vectors.write(OTHER, SPECIAL)
    vectors.remove(NAME)
    with pytest.raises(FileNotFoundError):
        vectors.read(NAME)
    vectors.remove(OTHER)
    with pytest.raises(FileNotFoundError):
        vectors.read(OTHER)


def test_the_sizes_are_what_was_returned_and_all_can_be_cleared(vectors: Vectors) -> None:
    assert vectors.sizes() == {}
    sizes = {NAME: vectors.write(NAME, SPECIAL), OTHER: vectors.write(OTHER, SPECIAL[:0])}
    assert vectors.sizes() == sizes
    vectors.clear()
    assert vectors.sizes() == {}
    vectors.write(NAME, SPECIAL)
    assert vectors.sizes() == {NAME: sizes[NAME]}


def test_a_file_is_one_that_numpy_reads_and_its_size_is_the_disks(tmp_path: Path) -> None:
    size_bytes = VectorFolder(tmp_path).write(NAME, SPECIAL)
    assert np.load(file_of(tmp_path, NAME)).tobytes() == SPECIAL.tobytes()
    assert file_of(tmp_path, NAME).stat().st_size == size_bytes


def test_workers_get_the_folder_by_pickle(tmp_path: Path) -> None:
    folder = VectorFolder(tmp_path)
    folder.write(NAME, SPECIAL)
    assert pickle.loads(pickle.dumps(folder)).read(NAME).tobytes() == SPECIAL.tobytes()  # noqa: S301


@pytest.mark.parametrize("vector", [SPECIAL[:2], SPECIAL[:0]], ids=["two", "empty"])
def test_a_file_cut_at_any_length_is_damaged(tmp_path: Path, vector: Vector) -> None:
    folder = VectorFolder(tmp_path)
    whole = folder.write(NAME, vector)
    for length in reversed(range(whole)):
        os.truncate(file_of(tmp_path, NAME), length)
        with pytest.raises(DamagedVector, match=f"{NAME}.npy is truncated"):
            folder.read(NAME)


def test_a_file_with_any_byte_changed_added_or_left_out_is_damaged(tmp_path: Path) -> None:
    folder = VectorFolder(tmp_path)
    folder.write(NAME, SPECIAL[:2])
    path = file_of(tmp_path, NAME)
    whole = path.read_bytes()
    for place in range(len(whole)):
        before, byte, after = whole[:place], whole[place], whole[place + 1 :]
        for wrong in (bytes([byte ^ 1]), bytes([byte ^ 0x80]), b"", bytes([byte, byte])):
            path.write_bytes(before + wrong + after)
            with pytest.raises(DamagedVector, match=NAME):
                folder.read(NAME)
    path.write_bytes(whole)
    assert folder.read(NAME).tobytes() == SPECIAL[:2].tobytes()


def test_a_file_with_something_after_it_is_damaged(tmp_path: Path) -> None:
    folder = VectorFolder(tmp_path)
    folder.write(NAME, SPECIAL)
    for _ in range(8):
        with file_of(tmp_path, NAME).open("ab") as file:
            file.write(b"\n")
        with pytest.raises(DamagedVector, match="not what its header says"):
            folder.read(NAME)


def test_a_file_of_zeros_is_damaged(tmp_path: Path) -> None:
    """What some file systems leave of a new file after a power failure."""
    folder = VectorFolder(tmp_path)
    size_bytes = folder.write(NAME, SPECIAL)
    file_of(tmp_path, NAME).write_bytes(bytes(size_bytes))
    with pytest.raises(DamagedVector):
        folder.read(NAME)


def test_another_models_file_is_damaged(tmp_path: Path) -> None:
    folder = VectorFolder(tmp_path)
    folder.write(OTHER, SPECIAL)
    folder.write(NAME, SPECIAL)
    file_of(tmp_path, OTHER).replace(file_of(tmp_path, NAME))
    with pytest.raises(DamagedVector, match=f"{NAME}.npy does not match its checksum"):
        folder.read(NAME)


def test_what_cannot_be_read_is_damaged(tmp_path: Path) -> None:
    file_of(tmp_path, NAME).mkdir(parents=True)
    with pytest.raises(DamagedVector, match=f"{NAME}.npy cannot be read: Is a directory"):
        VectorFolder(tmp_path).read(NAME)


def test_a_write_that_the_disk_breaks_off_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    folder = VectorFolder(tmp_path)
    folder.write(NAME, SPECIAL)
    with largest_file(1000), pytest.raises(OSError) as raised:
        folder.write(NAME, np.zeros(100_000, np.float32))
    assert raised.value.errno == errno.EFBIG
    assert os.listdir(tmp_path / NAME[:2]) == [f"{NAME}.npy"]
    assert folder.read(NAME).tobytes() == SPECIAL.tobytes()


def test_the_sizes_are_oldest_first_and_leftovers_go(tmp_path: Path) -> None:
    folder = VectorFolder(tmp_path)
    for name, age_s in ((OTHER, 5), (NAME, 9), ("ff" * 16, 7)):
        folder.write(name, SPECIAL)
        os.utime(file_of(tmp_path, name), (1e9 - age_s, 1e9 - age_s))
    leftover = tmp_path / NAME[:2] / f"{NAME}.npy.0123456789abcdef.tmp"
    leftover.write_bytes(b"half")
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / NAME[:2] / "notes.txt").write_text("mine")
    (tmp_path / "ff" / f"{NAME}.npy").write_text("astray")
    assert list(folder.sizes()) == [NAME, "ff" * 16, OTHER]
    assert not leftover.exists()
    folder.clear()
    kept = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")}
    assert kept == {"notes.txt", f"{NAME[:2]}/notes.txt", f"ff/{NAME}.npy"}
    assert not (tmp_path / OTHER[:2]).exists()


def test_what_is_gone_before_it_is_counted_does_not_hurt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker of a killed session gives its file the final name while it is looked at."""
    folder, unlink = VectorFolder(tmp_path), os.unlink
    size_bytes = folder.write(NAME, SPECIAL)
    leftover = tmp_path / NAME[:2] / f"{OTHER}.npy.0123456789abcdef.tmp"
    leftover.write_bytes(b"half")

    def too_late(path: str) -> None:
        unlink(path)
        unlink(path)

    monkeypatch.setattr(os, "unlink", too_late)
    assert folder.sizes() == {NAME: size_bytes}


def test_a_write_whose_unfinished_file_is_cleared_away_begins_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker outlives its killed parent, and the next session tidies up."""
    folder, replace = VectorFolder(tmp_path), os.replace
    folder.write(OTHER, SPECIAL)
    folder.write(NAME, SPECIAL[:1])
    tidied: list[dict[str, int]] = []

    def tidy_first(source: str, target: str) -> None:
        if not tidied:
            tidied.append(folder.sizes())
        replace(source, target)

    monkeypatch.setattr(os, "replace", tidy_first)
    folder.write(NAME, SPECIAL)
    assert len(tidied) == 1
    assert folder.read(NAME).tobytes() == SPECIAL.tobytes()
