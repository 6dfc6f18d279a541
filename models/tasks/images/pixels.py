"""The pixels of PNG and JPEG files, all of one size, as Pillow decodes and resizes them."""

import struct
import warnings
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps, UnidentifiedImageError
from PIL.ImageFile import ImageFile

from models.tasks.files import check_fits, reason
from models.tasks.images.files import FOLDER
from sim.record.errors import Refusal

Pixels = npt.NDArray[np.uint8]

_SIZE = ("task", "size")
_MODES = ("1", "L", "P", "RGB", "LA", "PA", "RGBA")
_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)
# What Pillow raises for files that are damaged, each in its own way.
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error)


def pixels(files: Sequence[Path], size: int, channels: int) -> Pixels:
    """All images [n, channels, size, size], 0..255: upright, then stretched to a square.

    `channels`: 1 for the brightness (ITU-R 601-2), 3 for red, green and blue. Raises Refusal for
    the first that is damaged, or of a kind that can't be told by 8 opaque bits a channel.
    """
    each = channels * size**2 * np.dtype(np.float32).itemsize  # what a network is given
    check_fits(f"{len(files):,} images of {size} x {size} pixels", len(files) * each, _SIZE)
    found = np.empty((len(files), channels, size, size), dtype=np.uint8)
    for place, file in enumerate(files):
        image = _opened(file).convert("L" if channels == 1 else "RGB")
        square = image.resize((size, size), Image.Resampling.BILINEAR)
        found[place] = np.asarray(square).reshape(size, size, channels).transpose(2, 0, 1)
    return found


def _opened(file: Path) -> Image.Image:
    """A whole image, as a camera was held. Raises Refusal if there is none, or none that fits."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(file, formats=("PNG", "JPEG")) as image:
                _check_kind(file, image)
                upright = ImageOps.exif_transpose(image)
                _check_opaque(file, upright)
                return upright
    except Refusal:
        raise
    except _BOMBS:
        what, allowed = "claims to be huge", f"at most {Image.MAX_IMAGE_PIXELS:,} pixels"
    except _DAMAGE as error:
        # That one says no more than the file's name.
        why = "" if isinstance(error, UnidentifiedImageError) else f" ({reason(error)})"
        what, allowed = f"can't be read as PNG or JPEG{why}", "a whole file"
    raise Refusal(f"{file}: {what}", allowed, FOLDER)


def _check_kind(file: Path, image: ImageFile) -> None:
    if image.mode not in _MODES or any(";16" in str(tile.args) for tile in image.tile):
        what = f"{file}: has pixels of the kind {image.mode}, or of 16 bits"
        raise Refusal(what, "8 bits of grey, or red, green and blue; else the task arrays", FOLDER)
    # Of a phone's JPEG the first is the picture, others are previews.
    if image.format == "PNG" and (frames := getattr(image, "n_frames", 1)) > 1:
        raise Refusal(f"{file}: has {frames} frames", "one", FOLDER)


def _check_opaque(file: Path, image: Image.Image) -> None:
    if image.has_transparency_data and np.asarray(image.convert("RGBA"))[..., 3].min() < 255:
        raise Refusal(f"{file}: has pixels that can be seen through", "an opaque image", FOLDER)
