"""What the numbers in a user's label files mean, and which of them are one structure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.tasks.nifti.tables import LABEL_MAP, SCANS, Columns, Row, table
from sim.record.errors import Refusal
from sim.record.metrics import OWN_SITE

BACKGROUND = "background"
"""The group of ids that are no structure; id 0 always belongs to it."""

LARGEST_ID = 65_535
LARGEST_COUNT = 255
"""Of structures: a pixel's label is one byte."""

_SHOWN = 5


@dataclass(frozen=True)
class LabelMap:
    """`numbers`: id in the files -> 0 for background, else 1 + the number of the structure."""

    structures: tuple[str, ...]
    numbers: dict[int, int]

    def applied(self, ids: npt.NDArray[Any], file: Path) -> npt.NDArray[np.uint8]:
        """The structure of each voxel; `ids` are whole numbers, whatever their type.

        Raises Refusal, naming `file`, if an id is not in the map.
        """
        found = np.unique(ids)
        unknown = [int(one) for one in found if int(one) not in self.numbers]
        if unknown:
            names = ", ".join(map(str, unknown[:_SHOWN]))
            more = f" and {len(unknown) - _SHOWN} more" if len(unknown) > _SHOWN else ""
            voxels = np.isin(ids, unknown).sum()
            what = f"{file}: unknown label ids {names}{more} in {voxels} voxels"
            raise Refusal(what, "the ids of task.label_map", SCANS)
        known = np.zeros(int(found[-1]) + 1, dtype=np.uint8)
        known[found.astype(np.intp)] = [self.numbers[int(one)] for one in found]
        return np.asarray(known[ids.astype(np.intp)])


def read_label_map(file: Path) -> LabelMap:
    """The map in a CSV file with the columns id, name and group; structures in their order there.

    Raises Refusal if an id is no whole number, is there twice, or if no structure remains.
    """
    numbers: dict[int, int] = {}
    structures: list[str] = []
    for row in table(file, Columns(("id", "name"), ("group",)), LABEL_MAP):
        number, group = _id(row), row.cells["group"] or row.cells["name"]
        if number in numbers:
            raise Refusal(f"{row.place}: id {number} is there twice", "each id once", LABEL_MAP)
        if number == 0 and group != BACKGROUND:
            what = f"{row.place}: id 0 is in the group {group!r}"
            raise Refusal(what, f"{BACKGROUND}, or no row for id 0", LABEL_MAP)
        if group != BACKGROUND and group not in structures:
            structures.append(_structure(row, group))
        numbers[number] = 0 if group == BACKGROUND else 1 + structures.index(group)
    if not 1 <= len(structures) <= LARGEST_COUNT:
        what = f"{file}: {len(structures)} structures"
        raise Refusal(what, f"1 to {LARGEST_COUNT} groups", LABEL_MAP)
    return LabelMap(tuple(structures), {0: 0, **numbers})


def _structure(row: Row, name: str) -> str:
    """The name, which metrics' names will end in: none may be taken for one of a site."""
    if "@" in name or name == OWN_SITE:
        what = f"{row.place}: {name!r} is no name for a structure"
        raise Refusal(what, f"names without an @, other than {OWN_SITE}", LABEL_MAP)
    return name


def _id(row: Row) -> int:
    text = row.cells["id"]
    digits = text.isascii() and text.isdecimal() and len(text) < 10
    if not digits or int(text) > LARGEST_ID:
        what = f"{row.place}: {text!r} is no label id"
        raise Refusal(what, f"whole numbers up to {LARGEST_ID}", LABEL_MAP)
    return int(text)
