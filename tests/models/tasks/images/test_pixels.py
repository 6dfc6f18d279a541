"""Pixels of PNG and JPEG files: what they come to, and what is refused."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from models.tasks.images.files import FOLDER
from models.tasks.images.pixels import Pixels, pixels
from sim.record.errors import Refusal

RED, GREEN = (255, 0, 0), (0, 255, 0)
UPRIGHT, TURNED = 1, 6
ORIENTATION = 0x0112


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def read(folder: Path, data: bytes, size: int = 2, channels: int = 3) -> Pixels:
    (folder / "image.png").write_bytes(data)
    found: Pixels = pixels([folder / "image.png"], size, channels)[0]
    return found


def two(mode: str, left: Any, right: Any) -> Image.Image:
    """Two by two pixels, alike above each other."""
    image = Image.new(mode, (2, 2), left)
    image.paste(right, (1, 0, 2, 2))
    return image


def palette() -> Image.Image:
    image = two("P", 0, 1)
    image.putpalette([*RED, *GREEN])
    return image


def drawn(side: int) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (side, side, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    "image",
    [
        two("RGB", RED, GREEN),
        two("RGBA", (*RED, 255), (*GREEN, 255)),
        palette(),
    ],
    ids=lambda image: image.mode,
)
def test_colours_are_channels_of_their_own(image: Image.Image, tmp_path: Path) -> None:
    wanted = np.array([RED, GREEN]).T[:, None].repeat(2, axis=1)
    assert np.array_equal(read(tmp_path, encoded(image)), wanted)
    # ITU-R 601-2: 299 red and 587 green of 1,000.
    assert read(tmp_path, encoded(image), channels=1).tolist() == [[[76, 150]] * 2]


@pytest.mark.parametrize(
    "image",
    [two("L", 0, 255), two("1", 0, 1), two("LA", (0, 255), (255, 255))],
    ids=lambda image: image.mode,
)
def test_grey_is_the_same_in_all_channels(image: Image.Image, tmp_path: Path) -> None:
    assert read(tmp_path, encoded(image)).tolist() == [[[0, 255]] * 2] * 3
    assert read(tmp_path, encoded(image), channels=1).tolist() == [[[0, 255]] * 2]


def test_any_shape_is_stretched_to_a_square(tmp_path: Path) -> None:
    # Three columns of 0, 30 and 240 become one: bilinear weights are 2/7, 3/7 and 2/7.
    image = Image.fromarray(np.array([[0, 30, 240]] * 5, dtype=np.uint8))
    assert read(tmp_path, encoded(image), size=1, channels=1).tolist() == [[[81]]]
    assert read(tmp_path, encoded(Image.fromarray(drawn(7))), size=3).shape == (3, 3, 3)


def test_pixels_of_the_right_size_are_as_they_were(tmp_path: Path) -> None:
    assert np.array_equal(
        read(tmp_path, encoded(Image.fromarray(drawn(7))), 7), drawn(7).transpose(2, 0, 1)
    )


def test_an_image_is_turned_as_its_camera_was(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = TURNED
    image = Image.fromarray(np.array([[0, 0], [255, 255]], dtype=np.uint8))
    assert read(tmp_path, encoded(image, exif=exif), channels=1).tolist() == [[[255, 0]] * 2]
    exif[ORIENTATION] = UPRIGHT
    upright = read(tmp_path, encoded(image, exif=exif), channels=1)
    assert upright.tolist() == [[[0, 0], [255, 255]]]


def test_a_jpeg_is_read_whatever_it_is_called(tmp_path: Path) -> None:
    assert (read(tmp_path, encoded(two("RGB", RED, RED), "JPEG"))[0] > 250).all()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def huge(side: int) -> bytes:
    """A PNG that says it has so many pixels a side, and has none."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def see_through_colour() -> bytes:
    return encoded(two("RGB", RED, GREEN), transparency=RED)


def flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 255]) + data[place + 1 :]


WHOLE = encoded(Image.fromarray(drawn(32)))
PHOTO = encoded(Image.fromarray(drawn(32)), "JPEG")
DEEP = encoded(Image.fromarray(np.full((2, 2), 60_000, dtype=np.uint16)))
MISTAKES: dict[str, tuple[Callable[[], bytes], str]] = {
    "nothing at all": (lambda: b"", "can't be read as PNG or JPEG"),
    "text": (lambda: b"no image", "can't be read as PNG or JPEG"),
    "another kind of image": (
        lambda: encoded(two("RGB", RED, GREEN), "BMP"),
        "can't be read as PNG or JPEG",
    ),
    "half a PNG": (lambda: WHOLE[: len(WHOLE) // 2], "can't be read as PNG or JPEG ("),
    "a PNG without its end": (lambda: WHOLE[:-40], "can't be read as PNG or JPEG ("),
    "half a JPEG": (lambda: PHOTO[: len(PHOTO) // 2], "can't be read as PNG or JPEG ("),
    "a wrong byte": (lambda: flipped(WHOLE, len(WHOLE) // 2), "can't be read as PNG or JPEG ("),
    "a wrong byte in the header": (lambda: flipped(WHOLE, 20), "can't be read as PNG or JPEG"),
    "the start of a PNG": (lambda: WHOLE[:8], "can't be read as PNG or JPEG"),
    "a bomb": (lambda: huge(10_000), "claims to be huge"),
    "a huge bomb": (lambda: huge(1_000_000), "claims to be huge"),
    "16 bits": (lambda: DEEP, "has pixels of the kind I;16, or of 16 bits"),
    "four colours": (
        lambda: encoded(Image.new("CMYK", (2, 2)), "JPEG"),
        "has pixels of the kind CMYK, or of 16 bits",
    ),
    "pixels that can be seen through": (
        lambda: encoded(two("RGBA", (*RED, 255), (*GREEN, 254))),
        "has pixels that can be seen through",
    ),
    "a colour that can be seen through": (
        see_through_colour,
        "has pixels that can be seen through",
    ),
    "a film": (
        lambda: encoded(
            two("L", 0, 1), save_all=True, append_images=[two("L", 2, 3), two("L", 4, 5)]
        ),
        "has 3 frames",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_is_no_whole_plain_image_is_named(mistake: str, tmp_path: Path) -> None:
    make, what = MISTAKES[mistake]
    with pytest.raises(Refusal) as error:
        read(tmp_path, make())
    assert error.value.what.startswith(f"{tmp_path / 'image.png'}: {what}")
    assert error.value.path == FOLDER


def test_a_file_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    for name in ("a.png", "gone.png"):
        with pytest.raises(Refusal, match=f"{name}: can't be read as PNG or JPEG"):
            pixels([tmp_path / name], 2, 1)
