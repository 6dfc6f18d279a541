"""What the columns of a table mean: labels, sites, purposes, and features as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api import types

from models.metrics import Target
from models.tasks.cohort import Split
from models.tasks.parts import Part
from sim.record.errors import Refusal

Floats = npt.NDArray[np.float64]
Names = npt.NDArray[np.str_]

MOST_CATEGORIES = 1_000
"""Of a feature or label: more is a number, or a name that is everybody's own."""
_LARGEST = float(np.finfo(np.float32).max)
_SPLITS: dict[str, Split] = {"train": "training", "validation": "validation", "test": "test"}
_SHOWN = 8


@dataclass(frozen=True)
class Uses:
    """Which columns are what, by their names; see TableSettings."""

    label: str
    target: Target
    features: Sequence[str] | None = None
    categories: Sequence[str] | None = None
    site: str | None = None
    split: str | None = None


_MANY, _FEW_ROWS = 20, 10
"""So many classes of so few rows each are likely no classes."""


class Columns:
    """The columns of one table, and what they are used for."""

    def __init__(self, path: Path, frame: pd.DataFrame, uses: Uses) -> None:
        self._path = path
        self._frame = frame
        self._uses = uses

    def parts(self) -> dict[Split, Part]:
        """The rows by what they are for. Raises Refusal at the first thing that can't be used."""
        labels, classes = self._labels()
        site, split = self._uses.site, self._uses.split
        sites = None if site is None else self._names(site, "site")
        inputs, categories = self._inputs()
        whole = Part(inputs, labels, sites, lambda k: f"row {k + 1}", classes, categories)
        return {"training": whole} if split is None else self._split(split, whole)

    def many_classes(self) -> str | None:
        """What is to be said where the classes are likely numbers, as ages are; None if nothing."""
        name = self._uses.label
        column = self._frame[name]
        count, rows = column.nunique(), len(column)
        if self._uses.target == "number" or not types.is_numeric_dtype(column):
            return None
        if count < _MANY or count * _FEW_ROWS <= rows:
            return None
        found = f"{name!r} has {count} classes in {rows} rows"
        return f"{self._path}: {found}; a number? target: number"

    def _refusal(self, what: str, allowed: str, field: str = "path") -> Refusal:
        return Refusal(f"{self._path}: {what}", allowed, ("task", field))

    def _column(self, name: str, field: str) -> pd.Series[Any]:
        if name not in self._frame.columns:
            there = [str(one) for one in self._frame.columns]
            more = f" and {len(there) - _SHOWN} more" if len(there) > _SHOWN else ""
            allowed = ", ".join(there[:_SHOWN]) + more
            raise self._refusal(f"has no column {name!r}", allowed, field)
        return self._frame[name]

    def _filled(self, name: str, field: str) -> pd.Series[Any]:
        """A column without gaps."""
        column = self._column(name, field)
        if (missing := column.isna()).any():
            what = f"{name!r} is missing in row {_first(missing)} and {_number(missing)} in all"
            raise self._refusal(what, "a value in each row", field)
        return column

    def _labels(self) -> tuple[npt.NDArray[Any], tuple[str, ...]]:
        """As numbers or as classes' places in their order, and the classes' names."""
        name = self._uses.label
        column = self._filled(name, "label")
        if self._uses.target == "number":
            return self._numbers(column, "label").astype(np.float32), ()
        if types.is_float_dtype(column) and (column % 1 != 0).any():
            what = f"{name!r} has fractions, as {column[column % 1 != 0].iloc[0]:g}"
            raise self._refusal(what, "classes, or target: number", "label")
        codes, names = self._codes(column, "label")
        return codes.astype(np.int64), names

    def _names(self, name: str, field: str) -> Names:
        column = self._filled(name, field)
        if types.is_float_dtype(column) and (column % 1 == 0).all():
            column = column.astype(np.int64)
        if types.is_float_dtype(column):
            raise self._refusal(f"{name!r} has fractions", "names, or whole numbers", field)
        return column.astype(str).to_numpy(dtype=np.str_)

    def _split(self, name: str, whole: Part) -> dict[Split, Part]:
        words = self._names(name, "split")
        strange = ~np.isin(words, list(_SPLITS))
        if strange.any():
            row = int(np.flatnonzero(strange)[0])
            what = f"{name!r} is {str(words[row])!r} in row {row + 1}"
            raise self._refusal(what, ", ".join(_SPLITS), "split")
        places = {split: np.flatnonzero(words == word) for word, split in _SPLITS.items()}
        return {split: whole.chosen(each) for split, each in places.items() if len(each)}

    def _inputs(self) -> tuple[Floats, tuple[int, ...]]:
        """The features [rows, columns] as numbers, and the places of those that are categories."""
        uses = self._uses
        others = (uses.label, uses.site, uses.split)
        names = uses.features or [str(c) for c in self._frame.columns if c not in others]
        if not names:
            raise self._refusal("has no column to learn from", "one or more beside the label")
        for name in uses.categories or ():
            if name not in names:
                what = f"{name!r} is no feature"
                raise self._refusal(what, "features", "categories")
        columns: list[Floats] = []
        categories: list[int] = []
        for place, name in enumerate(names):
            column = self._column(name, "features")
            if name in (uses.categories or ()) or _is_text(column):
                categories.append(place)
                columns.append(self._categories(column))
            else:
                columns.append(self._numbers(column, "features"))
        return np.stack(columns, axis=1), tuple(categories)

    def _numbers(self, column: pd.Series[Any], field: str) -> Floats:
        """NaN where one is missing."""
        if not types.is_numeric_dtype(column) or types.is_complex_dtype(column):
            what = f"{column.name!r} holds {_sort(column)}"
            raise self._refusal(what, "numbers" if field == "label" else "numbers or text", field)
        numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
        large = pd.Series(np.abs(numbers) > _LARGEST)
        if large.any():
            what = f"{column.name!r} is {numbers[_first(large) - 1]:g} in row {_first(large)}"
            raise self._refusal(what, "finite numbers, and missing ones", field)
        return numbers

    def _categories(self, column: pd.Series[Any]) -> Floats:
        """Of each row the place of its category in their order, NaN where it is missing."""
        self._check_text(column)
        return self._codes(column, "features")[0]

    def _codes(self, column: pd.Series[Any], field: str) -> tuple[Floats, tuple[str, ...]]:
        codes, found = pd.factorize(column, sort=True)
        if len(found) > MOST_CATEGORIES:
            what = f"{column.name!r} has {len(found)} different values, as {found[0]}, {found[1]}"
            number = "target: number" if field == "label" else "features without it"
            raise self._refusal(what, f"at most {MOST_CATEGORIES} categories, or {number}", field)
        return np.where(codes < 0, np.nan, codes), tuple(map(str, found))

    def _check_text(self, column: pd.Series[Any]) -> None:
        """Raise Refusal for numbers among which some cells are not: no one means categories."""
        if column.name in (self._uses.categories or ()):
            return
        values = column.dropna().astype(str)
        strange = pd.to_numeric(values, errors="coerce").isna()
        if strange.any() and 2 * strange.sum() < len(values):
            row = int(strange.index[strange.to_numpy()][0])
            what = f"{column.name!r} is {values[row]!r} in row {row + 1}, and mostly numbers"
            raise self._refusal(what, "numbers, empty cells, or the column in categories", "path")


def _is_text(column: pd.Series[Any]) -> bool:
    """Whether it holds words: text, or true and false with gaps between them."""
    return isinstance(column.dtype, pd.CategoricalDtype) or _sort(column) in ("text", "boolean")


def _sort(column: pd.Series[Any]) -> str:
    """What a column holds, in a word."""
    found = types.infer_dtype(column, skipna=True)
    return {"string": "text", "floating": "numbers", "integer": "numbers"}.get(found, found)


def _first(rows: pd.Series[Any]) -> int:
    """The first row, counted from 1 below the columns' names, that is true."""
    return 1 + int(np.flatnonzero(rows.to_numpy())[0])


def _number(rows: pd.Series[Any]) -> int:
    return int(rows.sum())
