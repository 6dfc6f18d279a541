"""Files: whole ones are read however they were stored, and no byte is believed unseen."""

from __future__ import annotations

import gzip
import os
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import numpy.typing as npt
import pytest

from models.tasks.nifti.reading import stored
from sim.record.errors import Refusal
from tests.models.tasks.nifti.phantom import SHAPE, affine_of, head

IDS = head()[1]
DAMAGED = "is cut off or damaged"
LONGER = "is longer than its header says"


@pytest.fixture(scope="module")
def plain() -> bytes:
    """A file of the phantom's labels."""
    found: bytes = nibabel.Nifti1Image(IDS, affine_of(SHAPE, 2.0)).to_bytes()
    return found


def read(file: Path, content: bytes) -> npt.NDArray[Any]:
    file.write_bytes(content)
    return stored(file).voxels()


def both(one: bytes) -> bytes:
    """Two members."""
    return gzip.compress(one[:1000]) + gzip.compress(one[1000:])


@pytest.mark.parametrize(
    "store",
    [
        bytes,
        gzip.compress,
        both,
        lambda one: gzip.compress(one) + gzip.compress(b""),
        lambda one: gzip.compress(one) + bytes(512),  # as tapes are filled up
        lambda one: gzip.compress(gzip.decompress(gzip.compress(one, 0)), 9),
    ],
)
@pytest.mark.parametrize("name", ["scan.nii", "scan.nii.gz", "SCAN.NII.GZ"])
def test_a_whole_file_is_read_whatever_it_is_called(
    tmp_path: Path, plain: bytes, store: Callable[[bytes], bytes], name: str
) -> None:
    assert np.array_equal(read(tmp_path / name, store(plain)), IDS)


@pytest.mark.parametrize("change", [0, 4])
def test_a_checksum_or_length_that_does_not_match(
    tmp_path: Path, plain: bytes, change: int
) -> None:
    whole = bytearray(gzip.compress(plain))
    whole[len(whole) - 8 + change] ^= 1
    with pytest.raises(Refusal) as caught:
        read(tmp_path / "scan.nii.gz", bytes(whole))
    assert str(caught.value) == f"{tmp_path}/scan.nii.gz: {DAMAGED}; allowed: a whole file"
    assert caught.value.path == ("task", "scans")


def other_labels(plain: bytes) -> bytes:
    """What a wrong bit on a disk makes of stored, not compressed, blocks."""
    whole = bytearray(gzip.compress(plain, 0))
    place = whole.index(b"\3\0\3\0")
    whole[place] = 7
    return bytes(whole)


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (other_labels, DAMAGED),
        (lambda one: gzip.compress(one)[:-1], DAMAGED),
        (lambda one: gzip.compress(one)[:-8], DAMAGED),
        (lambda one: gzip.compress(one)[:-9], DAMAGED),
        (lambda one: gzip.compress(one)[:30], DAMAGED),
        (lambda one: gzip.compress(one) + b"rubbish", DAMAGED),
        (lambda one: gzip.compress(one) + bytes(8) + b"rubbish", DAMAGED),
        (lambda one: gzip.compress(one) + gzip.compress(one)[:20], DAMAGED),
        (lambda one: gzip.compress(one) + gzip.compress(b"more"), LONGER),
        (lambda one: gzip.compress(one + b"\0"), LONGER),
        (lambda one: gzip.compress(one[:-1]), DAMAGED),
        (lambda one: one[:-1], DAMAGED),
        (lambda one: one + b"\0", LONGER),
        (lambda one: b"\x1f\x8b" + one[2:], DAMAGED),
    ],
)
def test_a_file_that_is_not_whole(
    tmp_path: Path, plain: bytes, spoil: Callable[[bytes], bytes], what: str
) -> None:
    with pytest.raises(Refusal) as caught:
        read(tmp_path / "scan.nii.gz", spoil(plain))
    assert caught.value.what == f"{tmp_path}/scan.nii.gz: {what}"


def test_a_header_that_leaves_voxels_out_is_noticed(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(IDS, affine_of(SHAPE, 2.0))
    whole = bytearray(image.to_bytes())
    whole[46:48] = (17).to_bytes(2, "little")  # dim[3]
    with pytest.raises(Refusal, match=LONGER):
        read(tmp_path / "scan.nii", bytes(whole))


@pytest.mark.parametrize("store", [bytes, gzip.compress])
def test_freesurfer_s_files_have_footers(tmp_path: Path, store: Callable[[bytes], bytes]) -> None:
    ids = IDS.astype(np.int32) + 70_000
    whole = nibabel.MGHImage(ids, affine_of(SHAPE, 2.0)).to_bytes()
    assert len(whole) > 284 + ids.nbytes
    assert np.array_equal(read(tmp_path / "scan.mgz", store(whole + b"mri_convert")), ids)
    with pytest.raises(Refusal, match=LONGER):
        read(tmp_path / "scan.mgz", store(whole + bytes(2**20)))


def test_an_extension_is_passed_over(tmp_path: Path) -> None:
    image = nibabel.Nifti1Image(IDS, affine_of(SHAPE, 2.0))
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"x" * 3000))
    assert np.array_equal(read(tmp_path / "scan.nii", image.to_bytes()), IDS)


@pytest.mark.parametrize("size", [812, 200])
def test_no_memory_is_had_for_what_a_header_claims(tmp_path: Path, size: int) -> None:
    header = nibabel.Nifti1Image(IDS, np.eye(4)).header
    header.set_data_shape((size, size, size))
    header.set_sform(np.eye(4), code=1)
    header["vox_offset"] = 352
    block = header.binaryblock + bytes(4)
    bomb = gzip.compress(block + bytes(2**20))
    tracemalloc.start()
    try:
        for content in (block, gzip.compress(block), bomb):
            with pytest.raises(Refusal, match=DAMAGED):
                read(tmp_path / "scan.nii", content)
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()


def test_a_bomb_behind_the_voxels_goes_off_nowhere(tmp_path: Path, plain: bytes) -> None:
    packer = zlib.compressobj(9, wbits=31)
    bomb = packer.compress(plain) + b"".join(packer.compress(bytes(2**20)) for _ in range(32))
    tracemalloc.start()
    try:
        with pytest.raises(Refusal, match=LONGER):
            read(tmp_path / "scan.nii.gz", bomb + packer.flush())
        assert tracemalloc.get_traced_memory()[1] < 2**24
    finally:
        tracemalloc.stop()


def test_what_is_no_file_keeps_nobody_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "scan.nii")
    (tmp_path / "link.nii").symlink_to("scan.nii")
    (tmp_path / "folder.nii").mkdir()
    for name in ("scan.nii", "link.nii", "folder.nii"):
        with pytest.raises(Refusal, match=rf"{name}: can.t be read \(is a (pipe|folder)\)"):
            stored(tmp_path / name)
    (tmp_path / "loop.nii").symlink_to("loop.nii")
    with pytest.raises(Refusal, match="loop.nii: can't be read"):
        stored(tmp_path / "loop.nii")


@pytest.mark.parametrize("error", [MemoryError, OSError, EOFError, zlib.error])
def test_a_machine_that_can_not_go_on_says_which_file(
    tmp_path: Path, plain: bytes, error: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.setattr("models.tasks.nifti.reading.ArrayProxy", fail)
    with pytest.raises(Refusal, match="scan.nii: (is cut off or damaged|doesn't fit into memory)"):
        read(tmp_path / "scan.nii", plain)
