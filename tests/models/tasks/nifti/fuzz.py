"""Odd files, read as a user's: `python -m tests.models.tasks.nifti.fuzz --number 5000 --seed 18`.

Headers and voxels are changed by field, by byte and by length, before and after compression. Prints
what came of how many, and each thing that should not have been: an exception that is none of ours,
a message that doesn't name the file, one that took long, or values that are none.
"""

from __future__ import annotations

import argparse
import gzip
import json
import resource
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from nibabel import Nifti1Header, Nifti2Header
from nibabel.freesurfer.mghformat import header_dtype

from models.tasks.nifti.scans import Scan
from models.tasks.nifti.tables import LabelMap
from models.tasks.nifti.volumes import subjects
from sim.record.errors import Refusal
from tests.models.tasks.nifti.phantom import affine_of, head

SHAPE = (8, 10, 9)
LONGEST_S = 2.0
"""Of processor time, for one file: the machine may be busy."""
LONGEST_MESSAGE = 400
ROOM_BYTES = 2**30
"""What reading may need beyond what the libraries have."""
ODD = (0, 1, -1, 2, 3, 4, 7, 8, 255, 348, 540, 32767, -32768, 2**31 - 1, -(2**31), 2**62)
ODD_REAL = (*ODD, 0.5, 1e-40, 1e-9, 1e9, 1e30, -1e30, 3.4e38, np.nan, np.inf, -np.inf)
MAP = LabelMap(("ball", "rod"), {0: 0, 3: 1, 7: 2, 8: 2})

Change = Callable[[bytearray, np.dtype[Any], np.random.Generator], bytes]


def originals(signal: np.ndarray[Any, Any], kind: Any) -> list[tuple[bytes, np.dtype[Any]]]:
    """A sound file in each format, and what its header's fields are."""
    affine, found = affine_of(SHAPE, 2.0), []
    for cls, fields in ((nibabel.Nifti1Image, Nifti1Header), (nibabel.Nifti2Image, Nifti2Header)):
        for order in "<>":
            image = cls(signal.astype(kind), affine, fields(endianness=order))
            found.append((image.to_bytes(), fields.template_dtype.newbyteorder(order)))
    stored = nibabel.MGHImage(signal.astype(kind), affine)
    return [*found, (stored.to_bytes(), header_dtype)]


def field(file: bytearray, fields: np.dtype[Any], draws: np.random.Generator) -> bytes:
    """One to three fields odd."""
    for _ in range(draws.integers(1, 4)):
        assert fields.fields is not None and fields.names is not None
        kind, offset = fields.fields[fields.names[draws.integers(len(fields.names))]][:2]
        base = kind.base
        place = offset + base.itemsize * int(draws.integers(kind.itemsize // base.itemsize))
        if base.kind == "S":
            file[place] = int(draws.integers(256))
            continue
        value = (ODD_REAL if base.kind == "f" else ODD)[draws.integers(len(ODD))]
        with np.errstate(all="ignore"):
            written = np.array([value]).astype(base).tobytes()
        file[place : place + base.itemsize] = written
    return bytes(file)


def flipped(file: bytearray, fields: np.dtype[Any], draws: np.random.Generator) -> bytes:
    """Some bytes of the header other, or of the voxels."""
    end = len(file) if draws.random() < 0.3 else fields.itemsize
    for place in draws.integers(end, size=draws.integers(1, 6)):
        file[place] = int(draws.integers(256))
    return bytes(file)


def cut(file: bytearray, fields: np.dtype[Any], draws: np.random.Generator) -> bytes:
    """Not to its end."""
    return bytes(file[: draws.integers(len(file))])


def longer(file: bytearray, fields: np.dtype[Any], draws: np.random.Generator) -> bytes:
    """With something behind it."""
    return bytes(file) + draws.bytes(int(draws.integers(1, 3000)))


def rubbish(file: bytearray, fields: np.dtype[Any], draws: np.random.Generator) -> bytes:
    """Nothing of it, or a beginning."""
    return bytes(file[: draws.integers(8)]) + draws.bytes(int(draws.integers(3000)))


def same(file: bytearray, fields: np.dtype[Any], draws: np.random.Generator) -> bytes:
    """As it was: then what is compressed is changed."""
    return bytes(file)


CHANGES: Sequence[Change] = (field, field, field, flipped, flipped, cut, longer, rubbish, same)


def odd(
    files: Sequence[tuple[bytes, np.dtype[Any]]], draws: np.random.Generator
) -> tuple[str, bytes]:
    """How a file was changed, and what it is then."""
    original, fields = files[int(draws.integers(len(files)))]
    change = CHANGES[int(draws.integers(len(CHANGES)))]
    found = change(bytearray(original), fields, draws)
    if draws.random() < 0.5:
        found = gzip.compress(found, 1, mtime=0)
        if change is same or draws.random() < 0.1:
            packed = (flipped, cut, longer)[draws.integers(3)]
            found = packed(bytearray(found), np.dtype(f"V{len(found)}"), draws)
    return change.__name__, found


def read(scan: Scan) -> str:
    """What came of it, in a word; of what should not have been, all there is to say."""
    began = time.process_time()
    try:
        (subject,), _ = subjects([scan], ["s"], MAP, "coronal", 2.0, 16, lambda line: None)
    except Refusal as mistake:
        text = str(mistake)
        is_named = any(text.startswith(f"{file}: ") for file in (scan.image, scan.labels))
        if not is_named or "\n" in text or len(text) > LONGEST_MESSAGE:
            return f"wrong: {text}"
        if "memory" in text or mistake.path[:1] != ("task",):
            return f"wrong: {mistake.path} {text}"
        found = "refused"
    except Exception:
        return f"wrong: {traceback.format_exc()}"
    else:
        sound = np.isfinite(subject.images).all() and np.ptp(subject.images) <= 1
        found = "read" if sound and subject.labels.max() <= 2 else "wrong: no values in 0..1"
    lasted_s = time.process_time() - began
    return found if lasted_s < LONGEST_S else f"wrong: {lasted_s:.1f} s"


def bounded() -> None:
    """From here on more memory than there is room for is an error."""
    used = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    limit = used * resource.getpagesize() + ROOM_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def main() -> None:
    """See the module."""
    options = argparse.ArgumentParser()
    options.add_argument("--number", type=int, default=5000)
    options.add_argument("--seed", type=int, default=18)
    chosen = options.parse_args()
    draws = np.random.Generator(np.random.Philox(chosen.seed))
    signal, ids = head(SHAPE)
    files = {"image": originals(signal, np.float32), "labels": originals(ids, np.int16)}
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        scan = Scan("s", "p", Path(folder, "image.nii.gz"), Path(folder, "labels.nii"), "training")
        for name, sound in files.items():
            Path(getattr(scan, name)).write_bytes(sound[0][0])
        assert read(scan) == "read"
        bounded()
        for number in range(chosen.number):
            name = ("image", "labels")[number % 2]
            file: Path = getattr(scan, name)
            how, content = odd(files[name], draws)
            file.write_bytes(content)
            found = read(scan)
            counts[f"{how}: {found}" if found.startswith("wrong") else found] += 1
            file.write_bytes(files[name][0][0])
    sys.stdout.write(f"{json.dumps(counts)}\n")


if __name__ == "__main__":
    main()
