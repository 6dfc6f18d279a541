"""Two thousand odd tables, arrays and images: what isn't read is refused in a line, and soon."""

from __future__ import annotations

import io
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from models.partitions import IidSettings
from models.tasks import ArraysSettings, TableSettings
from models.tasks.files import FilesSettings
from models.tasks.images.pixels import pixels
from models.tasks.nifti.tables import Columns, table
from sim.record.errors import Refusal

IID = IidSettings(kind="iid")
LONGEST_S = 2.0
DRAWS = np.random.Generator(np.random.Philox(18))
X, Y = DRAWS.integers(0, 256, (40, 4, 4), dtype=np.uint8), np.arange(40) % 2
ROWS = pd.DataFrame({"age": X[:, 0, 0], "marker": X[:, 1, 1] / 7, "sex": ["f", "m"] * 20, "ill": Y})
PATH = ("task", "path")


def made(write: Callable[[io.BytesIO], Any]) -> bytes:
    stream = io.BytesIO()
    write(stream)
    return stream.getvalue()


def loads(settings: FilesSettings) -> None:
    settings.load(2, lambda line: None)


def as_table(file: Path) -> None:
    loads(TableSettings(name="table", path=str(file), label="ill", partition=IID))


def as_arrays(file: Path) -> None:
    loads(ArraysSettings(name="arrays", path=str(file), partition=IID))


def as_image(file: Path) -> None:
    pixels([file], 8, 3)


def as_scans(file: Path) -> None:
    table(file, Columns(("age", "ill"), optional=("marker", "sex")), PATH)


CSV = ROWS.to_csv(index=False).encode()
PICTURE = Image.fromarray(np.kron(X[0], np.ones((8, 8), np.uint8)))
KINDS: dict[str, tuple[str, bytes, Callable[[Path], None]]] = {
    "csv": ("a.csv", CSV, as_table),
    "semicolons": ("a.csv", ROWS.to_csv(sep=";", decimal=",").encode("utf-16"), as_table),
    "scans": ("a.csv", CSV, as_scans),
    "parquet": ("a.parquet", made(lambda s: ROWS.to_parquet(s, index=False)), as_table),
    "npz": ("a.npz", made(lambda s: np.savez(s, x=X, y=Y)), as_arrays),
    "packed": ("a.npz", made(lambda s: np.savez_compressed(s, x=X, y=Y)), as_arrays),
    "png": ("a.png", made(lambda s: PICTURE.save(s, "PNG")), as_image),
    "jpeg": ("a.jpg", made(lambda s: PICTURE.convert("RGB").save(s, "JPEG")), as_image),
}
ODD = (
    b"\x00",
    b"\xff" * 4,
    b"-1",
    b"1e999",
    b'"',
    b"\n",
    b",",
    b";",
    b"9" * 20,
    b"(",
    b"\xef\xbb\xbf",
)


def odd(good: bytes, draws: np.random.Generator) -> bytes:
    """The file with a few bytes changed, most of them near an end: where heads are; or cut off."""
    data = bytearray(good)
    for _ in range(draws.integers(1, 4)):
        near = draws.integers(0, min(300, len(data)))
        place = int([near, len(data) - 1 - near, draws.integers(0, len(data))][draws.integers(3)])
        kind = draws.integers(5)
        if kind == 0:
            data[place] ^= 1 << int(draws.integers(8))
        elif kind == 1:
            data[place] = int(draws.integers(256))
        elif kind == 2:
            data[place:place] = ODD[draws.integers(len(ODD))]
        elif kind == 3:
            word = ODD[draws.integers(len(ODD))]
            data[place : place + len(word)] = word
        else:
            del data[place : place + int(draws.integers(1, 60))]
        data = data or bytearray(b"\n")
    return bytes(data)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_odd_files_are_read_or_refused(kind: str, tmp_path: Path) -> None:
    name, good, read = KINDS[kind]
    draws = np.random.Generator(np.random.Philox([18, *kind.encode()]))
    refused, count = 0, 150 if read is as_table else 350
    (tmp_path / name).write_bytes(good)
    read(tmp_path / name)
    for number in range(count):
        file = tmp_path / f"{number}{Path(name).suffix}"
        file.write_bytes(odd(good, draws))
        begun_s = time.process_time()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                read(file)
        except Refusal as refusal:
            refused += 1
            assert len(str(refusal)) < 600 and "\n" not in str(refusal), number
        assert time.process_time() - begun_s < LONGEST_S, number
        file.unlink()
    assert 0 < refused < count
