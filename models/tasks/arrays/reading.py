"""From files of arrays to samples: which arrays there are, and what they may hold."""

from __future__ import annotations

import math
import os
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from models.metrics import Target
from models.tasks.cohort import Split
from models.tasks.files import check_fits, reason
from models.tasks.parts import TOLERANCE, Part
from sim.record.errors import Refusal

Array = npt.NDArray[Any]
Ints = npt.NDArray[np.int64]

_FILE = "an .npz file, or a folder of .npy files"
# What NumPy and zipfile raise for files that are damaged or locked by a password, each in its way.
_DAMAGE = (
    *(OSError, EOFError, ValueError, OverflowError, RuntimeError, MemoryError),
    *(struct.error, tokenize.TokenError, zipfile.BadZipFile, zlib.error),
)
_CHECKED_AT_ONCE = 1 << 24
_MOST_PACKED = 1_100
"""Bytes that one packed byte may hold: of deflate 1,032."""
_GLANCE = 1_000
"""Samples that most often tell that a feature isn't the label."""
_LOCAL_HEADER = struct.Struct("<4s5H3L2H")
"""Of a zip file's member: its last two numbers are the lengths of what follows, name and extra."""

NAMES: tuple[Mapping[Split, tuple[str, str, str]], ...] = (
    {"training": ("x", "y", "sites")},
    {
        "training": ("x_train", "y_train", "sites_train"),
        "validation": ("x_val", "y_val", "sites_val"),
        "test": ("x_test", "y_test", "sites_test"),
    },
    {
        "training": ("train_images", "train_labels", "train_sites"),
        "validation": ("val_images", "val_labels", "val_sites"),
        "test": ("test_images", "test_labels", "test_sites"),
    },
)
"""What arrays are called, in three ways: inputs, labels and sites of each part."""


def _refusal(path: Path, what: str, allowed: str) -> Refusal:
    return Refusal(f"{path}: {what}", allowed, ("task", "path"))


def files_at(path: Path) -> list[Path]:
    """The file, or the .npy files of a folder, by name. Raises Refusal if there are none."""
    # Path.exists raises an error for a name that is too long, or what nobody may look at.
    if not os.path.exists(path):
        raise _refusal(path, "no such file or folder", _FILE)
    if not os.path.isdir(path):
        return [path]
    try:
        found = sorted(file for file in path.iterdir() if file.suffix == ".npy")
    except OSError as error:
        raise _refusal(path, f"can't be read ({error.strerror})", _FILE) from None
    if not found:
        raise _refusal(path, "holds no .npy file", _FILE)
    return found


def arrays_at(path: Path) -> dict[str, Array]:
    """The arrays by their names, mapped into memory where they lie uncompressed.

    A mapped one may be written to; that changes no file. Raises Refusal at what is no array, and at
    an array of Python objects, which would have to be unpickled.
    """
    try:
        if os.path.isdir(path):
            found = {
                file.stem: _mapped(file, 0, file.stat().st_size, file.stem)
                for file in files_at(path)
            }
        else:
            found = _members(files_at(path)[0])
    except Refusal:
        raise
    except _DAMAGE as error:
        raise _refusal(path, f"can't be read ({reason(error)})", _FILE) from None
    return found


def _members(file: Path) -> dict[str, Array]:
    if not zipfile.is_zipfile(file):
        raise _refusal(file, "is no .npz file", _FILE)
    found: dict[str, Array] = {}
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            name, dot, _ = member.filename.rpartition(".npy")
            if not dot:
                raise _refusal(file, f"holds {member.filename!r}, which is no array", _FILE)
            if name in found:
                raise _refusal(file, f"holds two arrays {name!r}", "each name once")
            is_stored = member.compress_type == zipfile.ZIP_STORED
            read = _stored if is_stored else _unpacked
            found[name] = read(file, archive, member, name)
    return found


def _stored(file: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> Array:
    # Who maps a member reads past its checksum.
    with archive.open(member) as stream:
        while stream.read(_CHECKED_AT_ONCE):
            pass
    return _mapped(file, _start(file, member), member.file_size, name)


def _unpacked(file: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> Array:
    if member.file_size > _MOST_PACKED * max(1, member.compress_size):
        what = f"{name} claims {member.file_size:,} bytes in {member.compress_size:,} packed ones"
        raise _refusal(file, what, "a whole file as NumPy writes it")
    check_fits(f"{file}: {name}", member.file_size, ("task", "path"))
    with archive.open(member) as stream:
        _check_header(file, stream, member.file_size, name)
    with archive.open(member) as stream:
        array: Array = np.lib.format.read_array(stream, allow_pickle=False)
        return array


def _start(file: Path, member: zipfile.ZipInfo) -> int:
    """Where in the file a member's bytes begin."""
    with file.open("rb") as stream:
        stream.seek(member.header_offset)
        header = _LOCAL_HEADER.unpack(stream.read(_LOCAL_HEADER.size))
    name_length, extra_length = map(int, header[-2:])
    return member.header_offset + _LOCAL_HEADER.size + name_length + extra_length


def _mapped(file: Path, start: int, size: int, name: str) -> Array:
    """The array that is written in `size` bytes from byte `start` on, changes to which reach no
    file.
    """
    with file.open("rb") as stream:
        stream.seek(start)
        shape, fortran, dtype = _check_header(file, stream, size, name)
        if 0 in shape:
            return np.empty(shape, dtype)
        # Columns first is rows first of the turned array.
        stored = shape[::-1] if fortran else shape
        array: Array = np.memmap(file, dtype, "c", offset=stream.tell(), shape=stored)
        return array.T if fortran else array


def _check_header(
    file: Path, stream: IO[bytes], size: int, name: str
) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether columns come first, and type, of an array in `size` bytes from here on.

    Raises Refusal for Python objects, and unless that is what shape and type take.
    """
    start = stream.tell()
    version = np.lib.format.read_magic(stream)
    first = version == (1, 0)
    read = np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read(stream)
    if dtype.hasobject:
        what = f"{name} holds Python objects, which are not unpickled"
        raise _refusal(file, what, "arrays of numbers")
    claimed, there = math.prod(shape) * dtype.itemsize, size - (stream.tell() - start)
    if min(shape, default=0) < 0 or claimed != there:
        what = f"{name} claims {_by(shape) or '1'} numbers of {dtype} in {there:,} bytes"
        raise _refusal(file, what, "a whole file as NumPy writes it")
    return shape, fortran, dtype


def parts_of(path: Path, arrays: Mapping[str, Array], target: Target) -> dict[Split, Part]:
    """The samples of each part. Raises Refusal at the first array that is missing or wrong."""
    names = next((names for names in NAMES if names["training"][0] in arrays), None)
    if names is None:
        wanted = ", ".join(names["training"][0] for names in NAMES)
        what = f"has no training samples among its arrays ({', '.join(arrays) or 'none'})"
        raise _refusal(path, what, f"one of {wanted}")
    known = [name for trio in names.values() for name in trio]
    for name in arrays:
        if name not in known:
            raise _refusal(path, f"has an array {name!r}", ", ".join(known))
    parts: dict[Split, Part] = {}
    for split, (inputs, labels, sites) in names.items():
        there = [name for name in (inputs, labels, sites) if name in arrays]
        for name in (inputs, labels):
            if there and name not in arrays:
                raise _refusal(path, f"has {there[0]} and no {name}", f"{inputs} and {labels}")
        if there:
            parts[split] = _Reader(path, arrays, target).part(inputs, labels, sites)
    _check_shapes(path, {names[split][0]: part for split, part in parts.items()})
    _check_scales(path, {trio[0]: arrays[trio[0]] for trio in names.values() if trio[0] in arrays})
    return parts


def _check_scales(path: Path, inputs: Mapping[str, Array]) -> None:
    """Bytes are scaled: beside them, other numbers would mean something else."""
    (first, one), *others = inputs.items()
    for name, other in others:
        if (one.dtype == np.uint8) != (other.dtype == np.uint8):
            what = f"{name} holds {other.dtype}, and {first} {one.dtype}; bytes are scaled to 0..1"
            raise _refusal(path, what, "inputs of one type")


def _check_shapes(path: Path, parts: Mapping[str, Part]) -> None:
    shapes = {name: part.inputs.shape[1:] for name, part in parts.items()}
    (first, shape), *others = shapes.items()
    for name, other in others:
        if other != shape:
            what = f"{name} has samples of {_by(other)}, and {first} of {_by(shape)} numbers"
            raise _refusal(path, what, "samples of one shape")


def label_columns(part: Part) -> list[int]:
    """The places of features that are the label itself in all samples."""
    inputs, labels = part.inputs, part.labels
    if inputs.ndim != 2:
        return []
    glance = np.flatnonzero((inputs[:_GLANCE] == labels[:_GLANCE, None]).all(axis=0)).tolist()
    return [place for place in glance if np.array_equal(inputs[:, place], labels)]


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


class _Reader:
    """Checks arrays of one file, and gives them the types that are learned from."""

    def __init__(self, path: Path, arrays: Mapping[str, Array], target: Target) -> None:
        self._arrays = arrays
        self._target = target
        self._refusal = partial(_refusal, path)

    def part(self, inputs: str, labels: str, sites: str) -> Part:
        """The samples in the arrays of these names; there may be none of `sites`."""
        found = self._inputs(inputs)
        known = self._labels(labels, len(found))
        whose = self._sites(sites, len(found)) if sites in self._arrays else None
        return Part(found, known, whose, lambda k: f"{inputs}[{k}]")

    def _inputs(self, name: str) -> npt.NDArray[np.float32]:
        array = self._arrays[name]
        if array.dtype.kind not in "buif":
            raise self._refusal(f"{name} holds {array.dtype}", "real numbers")
        if array.ndim not in (2, 3, 4) or 0 in array.shape:
            what = f"{name} has the shape {_by(array.shape) or 'of one number'}"
            raise self._refusal(what, "samples x features, or samples x height x width x channels")
        with np.errstate(over="ignore"):  # what is too large for float32 is refused as infinite
            found = array.astype(np.float32, copy=False)
        if array.dtype.kind == "f" and not np.isfinite(found).all():
            place = np.argwhere(~np.isfinite(found))[0].tolist()
            raise self._refusal(f"{name}{place} is infinite or no number", "finite numbers")
        if array.dtype == np.uint8:
            found /= 255
        if found.ndim == 3:
            return found[:, None]
        return self._channels_first(name, found) if found.ndim == 4 else found

    def _channels_first(
        self, name: str, images: npt.NDArray[np.float32]
    ) -> npt.NDArray[np.float32]:
        if images.shape[1] <= 4 < images.shape[3]:
            what = f"{name} has images of {_by(images.shape[1:])}, channels first as it seems"
            raise self._refusal(what, "samples x height x width x channels")
        return np.moveaxis(images, 3, 1)

    def _flat(self, name: str, count: int) -> Array:
        """The array [n] of one value a sample, which may be written as [n, 1]."""
        array = self._arrays[name]
        if array.ndim == 2 and array.shape[1] == 1:
            array = array[:, 0]
        if array.ndim != 1:
            what = f"{name} has the shape {_by(array.shape) or 'of one number'}"
            raise self._refusal(what, "one value for each sample")
        if len(array) != count:
            what = f"{name} has {len(array)} values for {count} samples"
            raise self._refusal(what, "one value for each sample")
        return np.asarray(array)

    def _labels(self, name: str, count: int) -> Array:
        array = self._flat(name, count)
        whole = self._target == "class"
        allowed = "whole numbers from 0" if whole else "finite numbers"
        if array.dtype.kind not in "buif":
            raise self._refusal(f"{name} holds {array.dtype}", allowed)
        with np.errstate(over="ignore", invalid="ignore"):
            known = np.rint(array).astype(np.float64) if whole else array.astype(np.float32)
            wrong = ~np.isfinite(known)
            if whole:
                wrong |= (known < 0) | (np.abs(array - known) > TOLERANCE) | (known >= 2**31)
        if wrong.any():
            place = int(np.flatnonzero(wrong)[0])
            raise self._refusal(f"{name}[{place}] is {array[place]}", allowed)
        return known.astype(np.int64) if whole else known

    def _sites(self, name: str, count: int) -> npt.NDArray[np.str_]:
        array = self._flat(name, count)
        if array.dtype.kind not in "iuU":
            raise self._refusal(f"{name} holds {array.dtype}", "whole numbers, or text")
        return array.astype(np.str_)
