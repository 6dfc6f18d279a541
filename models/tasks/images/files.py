"""Which images a folder holds, as its folders are called, before any of them is opened."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.tasks.cohort import Split
from sim.record.errors import Refusal
from sim.record.settings.files import file_digest

FOLDER = ("task", "path")
"""The setting that leads to a user's images, and so to the mistakes in them."""
_ENDINGS = (".png", ".jpg", ".jpeg")
_IGNORED = ("thumbs.db", "desktop.ini")
"""What file managers leave behind, beside what is hidden."""
_SPLITS: dict[str, Split] = {
    "train": "training",
    "val": "validation",
    "validation": "validation",
    "test": "test",
}
_LAYOUT = "CLASS/IMAGE or SITE/CLASS/IMAGE for all, in folders train, test and val if need be"
_DEEPEST = 3  # SPLIT/SITE/CLASS

_Parts = tuple[str, ...]
"""The names of the folders on the way to a file or folder, and its own."""


@dataclass(frozen=True)
class Image:
    """One image's file, not yet opened; `split` and `site` are None where no folder says."""

    split: Split | None
    site: str | None
    label: str
    file: Path


def images_at(folder: Path) -> tuple[Image, ...]:
    """The images in a folder, by split, site, class and name. Links are followed.

    Raises Refusal for what is no image, and unless all lie as one layout says.
    """
    # Path.is_dir raises an error for a name that is too long, or what nobody may look at.
    if not os.path.isdir(folder):
        what = "is a file" if os.path.exists(folder) else "no such folder"
        raise Refusal(f"{folder}: {what}", f"a folder: {_LAYOUT}", FOLDER)
    ends = list(_ends(folder, ()))
    is_split = _tells_splits(folder, ends)
    images = [_image(folder, parts, is_split) for parts, is_file in ends if is_file]
    if not images:
        raise Refusal(f"{folder}: holds no images", _LAYOUT, FOLDER)
    _check_alike(images)
    _check_classes(folder, images, [parts for parts, is_file in ends if not is_file])
    return tuple(sorted(images, key=_order))


def _ends(folder: Path, above: _Parts) -> Iterator[tuple[_Parts, bool]]:
    """What is no way to something else: images, and, told by False, folders without any."""
    entries = _entries(folder)
    if above and not entries:
        yield above, False
    for entry in entries:
        parts = (*above, entry.name)
        if not os.path.isdir(entry):
            _check_file(entry)
            yield parts, True
        elif len(parts) > _DEEPEST:
            raise Refusal(f"{entry}: lies too deep", _LAYOUT, FOLDER)
        else:
            yield from _ends(entry, parts)


def _entries(folder: Path) -> list[Path]:
    try:
        inside = sorted(folder.iterdir(), key=lambda entry: entry.name)
    except OSError as error:
        raise Refusal(f"{folder}: can't be read ({error.strerror})", _LAYOUT, FOLDER) from None
    return [
        one for one in inside if not one.name.startswith(".") and one.name.lower() not in _IGNORED
    ]


def _check_file(file: Path) -> None:
    if file.suffix.lower() not in _ENDINGS:
        raise Refusal(f"{file}: is no image", f"files that end in {', '.join(_ENDINGS)}", FOLDER)
    if not os.path.isfile(file):
        what = "leads nowhere" if file.is_symlink() else "is no file"
        raise Refusal(f"{file}: {what}", "a PNG or JPEG file", FOLDER)


def _tells_splits(folder: Path, ends: Iterable[tuple[_Parts, bool]]) -> bool:
    """Whether the uppermost folders say what images are for: all of them do, or none."""
    tops = dict.fromkeys(parts[0] for parts, is_file in ends if len(parts) > is_file)
    splits = [_SPLITS.get(top.lower()) for top in tops]
    others = [top for top in tops if top.lower() not in _SPLITS]
    missing = [name for name in ("train", "test") if _SPLITS[name] not in splits]
    if others and not missing:
        what = f"{folder}: has the folder {others[0]} beside train and test"
        raise Refusal(what, f"only {', '.join(_SPLITS)}", FOLDER)
    if tops and not others and missing:
        raise Refusal(f"{folder}: has no folder {missing[0]}", "train and test, or neither", FOLDER)
    return not missing


def _image(folder: Path, parts: _Parts, is_split: bool) -> Image:
    """The image at the end of `parts`."""
    file, way = folder.joinpath(*parts), list(parts[:-1])
    split = _SPLITS[way.pop(0).lower()] if is_split and way else None
    if not way:
        raise Refusal(f"{file}: lies in no folder of a class", _LAYOUT, FOLDER)
    if len(way) > 2:
        raise Refusal(f"{file}: lies too deep", _LAYOUT, FOLDER)
    *site, label = way
    return Image(split, site[0] if site else None, label, file)


def _check_alike(images: Sequence[Image]) -> None:
    first = images[0]
    for image in images:
        if (image.site is None) != (first.site is None):
            raise Refusal(f"{image.file}: does not lie as {first.file} does", _LAYOUT, FOLDER)


def _check_classes(folder: Path, images: Sequence[Image], empty: Sequence[_Parts]) -> None:
    """There are two, each with images to train on, and no folder is empty but of one of them."""
    labels = class_names(images)
    depth = len(images[0].file.relative_to(folder).parts) - 1
    for parts in empty:
        if len(parts) != depth or parts[-1] not in labels:
            raise Refusal(f"{folder.joinpath(*parts)}: holds no images", _LAYOUT, FOLDER)
    if len(labels) == 1:
        raise Refusal(f"{folder}: all images are of the class {labels[0]}", "two or more", FOLDER)
    trained_on = {image.label for image in images if image.split in (None, "training")}
    for label in labels:
        if label not in trained_on:
            what = f"{folder}: has no images of the class {label} to train on"
            raise Refusal(what, "some of each class", FOLDER)


def class_names(images: Iterable[Image]) -> tuple[str, ...]:
    """The classes by name; a label is a place among them."""
    return tuple(sorted(dict.fromkeys(image.label for image in images)))


def _order(image: Image) -> tuple[str, str, str, str]:
    return image.split or "", image.site or "", image.label, image.file.name


def content(images: Sequence[Image]) -> str:
    """The SHA-256 of which images there are, and of every file; not of where the folder is.

    Raises Refusal if a file can't be read.
    """
    digest = hashlib.sha256()
    for image in images:
        digest.update(repr(_order(image)).encode())
        digest.update(file_digest(image.file, "a PNG or JPEG file", FOLDER))
    return digest.hexdigest()
