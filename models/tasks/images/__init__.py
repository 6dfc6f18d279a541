"""The task `images`: a folder of PNG and JPEG files, by class.

`files` reads how folders are called, `pixels` what is in the files.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from models.bits.code import cache_folder, digest, library_version
from models.partitions.settings import Ints
from models.tasks.alike import told_apart
from models.tasks.images.files import FOLDER, Image, class_names, content, images_at
from models.tasks.labelled import LabelledSettings
from models.tasks.settings import Tell
from sim.record.errors import Refusal
from sim.record.settings.files import AbsolutePath

if TYPE_CHECKING:
    from models.tasks.images.pixels import Pixels
    from models.tasks.parts import Part, Parts


class ImagesSettings(LabelledSettings):
    """Classification of your own images (PNG, JPEG): a folder with one folder a class.

    Pixels are scaled to 0..1, and images stretched to squares. Folders of sites may lie above
    those of classes: each client is one of them, in their order by name.
    """

    libraries: ClassVar[tuple[str, ...]] = (*LabelledSettings.libraries, "pillow")

    name: Literal["images"] = Field(description="the task's name")
    path: AbsolutePath = Field(
        description="a folder: CLASS/IMAGE, or SITE/CLASS/IMAGE; the same below the folders train, "
        "test and, if you like, val, if they are told apart"
    )
    size: Annotated[int, Field(ge=1, le=1024)] = Field(
        default=32, description="pixels of a side, after resizing (bilinear)"
    )
    channels: Literal[1, 3] = Field(
        default=3, description="1: brightness alone; 3: red, green and blue"
    )

    def content(self) -> str:
        """See FilesSettings."""
        return content(images_at(Path(self.path)))

    def read(self, tell: Tell, note: Tell) -> Parts:
        """Inputs [n, channels, size, size] in 0..1, from the user's cache folder or decoded into
        it; a label is a class's place in their order by name. See LabelledSettings.
        """
        images = images_at(Path(self.path))
        for line in told_apart(self.path, "classes", class_names(images), FOLDER):
            note(line)
        pixels = self._pixels(images, tell)
        splits = [image.split or "training" for image in images]
        return {
            split: self._part(images, pixels, np.flatnonzero([one == split for one in splits]))
            for split in dict.fromkeys(splits)
        }

    def _part(self, images: Sequence[Image], pixels: Pixels, places: Ints) -> Part:
        """Those of the `images` at `places`, as samples."""
        from models.tasks.parts import Part

        chosen = [images[place] for place in places.tolist()]
        sites = [image.site for image in chosen if image.site is not None]
        return Part(
            np.divide(pixels[places], 255, dtype=np.float32),
            np.searchsorted(class_names(images), [image.label for image in chosen]),
            np.array(sites) if sites else None,
            lambda k: str(chosen[k].file.relative_to(self.path)),
        )

    def _pixels(self, images: Sequence[Image], tell: Tell) -> Pixels:
        """Of all images [n, channels, size, size]: what the cache folder has, or decoded into it.

        Raises Refusal if an image can't be read, or if one changes meanwhile.
        """
        from models.tasks.cache import kept
        from models.tasks.images.pixels import pixels

        files_sha256 = self.files_sha256 or content(images)
        path = self._cache_path(files_sha256)

        def decoded() -> dict[str, Pixels]:
            tell(f"decoding {len(images):,} images, to be kept in {path}")
            found = pixels([image.file for image in images], self.size, self.channels)
            if content(images) != files_sha256:
                raise Refusal(
                    f"{self.path}: images changed as they were read", "images at rest", FOLDER
                )
            return {"pixels": found}

        return kept(path, ("pixels",), decoded, tell, "images")["pixels"]

    def _cache_path(self, files_sha256: str) -> Path:
        """The file of what this code and this Pillow make of images with that content."""
        made_of = {
            "files": files_sha256,
            "size": self.size,
            "channels": self.channels,
            "pillow": library_version("pillow"),
            "code": digest(Path(__file__).with_name("pixels.py")).hex(),
        }
        name = hashlib.sha256(json.dumps(made_of).encode()).hexdigest()[:32]
        return cache_folder("images") / f"{name}.npz"
