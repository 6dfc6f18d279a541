"""Pictures for tests: tiny grey PNG files, each with pixels of its own."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image


def write(file: Path, seed: str, side: int = 4) -> None:
    """Pixels drawn by `seed`, as a PNG file whatever it is called."""
    file.parent.mkdir(parents=True, exist_ok=True)
    drawn = np.random.default_rng(list(seed.encode())).integers(0, 256, (side, side))
    Image.fromarray(drawn.astype(np.uint8)).save(file, format="PNG")


def write_all(folder: Path, *names: str) -> Path:
    """The folder, with a picture at each of the names below it, drawn by that name."""
    for name in names:
        write(folder / name, name)
    return folder


def numbered(folders: Iterable[str], count: int) -> list[str]:
    """The names of `count` pictures in each of the folders."""
    return [f"{folder}/{number:02}.png" for folder in folders for number in range(count)]
