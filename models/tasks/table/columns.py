"""What the columns of a table mean: labels, sites, purposes, and features as numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandas.api import types

from models.metrics import Target
from models.tasks.alike import told_apart
from models.tasks.cohort import SPLITS, Split, split_named
from models.tasks.parts import TOLERANCE, Part
from models.tasks.table.reading import Rows
from sim.record.delimited import FORMULA_ERROR
from sim.record.errors import Refusal, did_you_mean, shown

Floats = npt.NDArray[np.float64]
Names = npt.NDArray[np.str_]

MOST_CATEGORIES = 1_000
"""Of a feature or label: more is a number, or a name that is everybody's own."""
_LARGEST_WHOLE = 2**53
"""Below it floats tell all whole numbers apart."""
_LARGEST = float(np.finfo(np.float32).max)
_SHOWN, _LONGEST = 8, 60
_GROUPED = r"[+-]?\d{1,3}(?:[ ,.'\u2019\u00a0\u202f]\d{3})+(?:[.,]\d+)?"
_MARKED = r"[+-]?[$€£]\s?\d[\d.,]*|[+-]?\d[\d.,]*\s?[%$€£]"
_OTHERWISE = rf"{_GROUPED}|[+-]?\d+,\d+|{_MARKED}"
"""A number with marks between thousands, a decimal comma, a per cent sign or a currency's."""
_GLANCE = 1_000
"""Rows that most often tell that a column is none that is looked for."""


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

    def __init__(self, rows: Rows, uses: Uses) -> None:
        self._path, self._frame = rows.path, rows.frame
        self._rows, self._uses = rows, uses

    def parts(self) -> dict[Split, Part]:
        """The rows by what they are for. Raises Refusal at the first thing that can't be used."""
        labels, classes = self._labels()
        site, split = self._uses.site, self._uses.split
        sites = None if site is None else self._names(site, "site")
        inputs, categories = self._inputs()
        whole = Part(inputs, labels, sites, self._rows.place, classes, categories)
        return {"training": whole} if split is None else self._split(split, whole)

    def notes(self) -> Iterator[str]:
        """What was assumed of columns that can be used, and what is doubtful about them.

        Raises Refusal for two columns whose names look the same, and for such classes and
        categories.
        """
        if assumed := self._rows.assumed:
            yield f"{self._path}: read {', '.join(assumed)}"
        yield from self._look_alikes()
        features = self._features()
        for names, said in (
            (filter(self._is_constant, features), "the same in all rows"),
            (filter(self._numbers_rows, features), "the row's number: features without it?"),
            (filter(self._is_own, features), "text, another in most rows"),
            (filter(self._tells_label, features), f"as good as the label {self._uses.label!r}"),
        ):
            if found := list(names):
                yield f"{self._path}: {_listed(map(shown, found))}: {said}"
        yield from self._many_classes()

    def _look_alikes(self) -> Iterator[str]:
        names, of = map(str, self._frame.columns), ("task", "path")
        yield from told_apart(str(self._path), "columns", names, of)
        label = [self._uses.label] * (self._uses.target == "class")
        for name in (*label, *self._features()):
            column = self._frame[name]
            if _is_text(column):
                kind = f"{'classes' if name in label else 'categories'} of {shown(name)}"
                values = sorted(map(str, column.dropna().unique()))
                yield from told_apart(str(self._path), kind, values, of)

    def _is_constant(self, name: str) -> bool:
        def is_so(column: pd.Series[Any]) -> bool:
            return column.nunique(dropna=False) == 1

        return is_so(self._frame[name].head(_GLANCE)) and is_so(self._frame[name])

    def _numbers_rows(self, name: str) -> bool:
        column = self._frame[name]
        return types.is_integer_dtype(column) and bool((column.diff().iloc[1:] == 1).all())

    def _is_own(self, name: str) -> bool:
        column = self._frame[name]
        return _is_text(column) and max(_MANY, len(column) // 2) < column.nunique()

    def _tells_label(self, name: str) -> bool:
        """Whether who knows it knows the label, and the other way round."""

        def is_so(pair: pd.DataFrame) -> bool:
            pairs, counts = pair.drop_duplicates(), pair.nunique(dropna=False)
            return bool((counts == len(pairs)).all()) and 1 < len(pairs) < len(pair)

        pair = self._frame[[name, self._uses.label]]
        return is_so(pair.head(_GLANCE)) and is_so(pair)

    def _many_classes(self) -> Iterator[str]:
        """What is to be said where the classes are likely numbers, as ages are."""
        name = self._uses.label
        column = self._frame[name]
        count, rows = column.nunique(), len(column)
        if self._uses.target == "number" or not types.is_numeric_dtype(column):
            return
        if count >= _MANY and count * _FEW_ROWS > rows:
            found = f"{shown(name)} has {count} classes in {rows} rows"
            yield f"{self._path}: {found}; a number? target: number"

    def _refusal(self, what: str, allowed: str, field: str = "path") -> Refusal:
        return Refusal(f"{self._path}: {what}", allowed, ("task", field))

    def _column(self, name: str, field: str) -> pd.Series[Any]:
        if name not in self._frame.columns:
            there = [str(one) for one in self._frame.columns]
            what = f"has no column {shown(name)}{did_you_mean(name, there)}"
            raise self._refusal(what, _listed(there), field)
        self._check_formulas(self._frame[name])
        return self._frame[name]

    def _check_formulas(self, column: pd.Series[Any]) -> None:
        """Raise Refusal for what a spreadsheet writes where a formula has no value."""
        if _is_text(column):
            texts = column.dropna().astype(str)
            if (errors := texts[texts.str.fullmatch(FORMULA_ERROR)]).size:
                cell = self._cell(errors, 0)
                allowed = "values, and empty cells for missing ones"
                raise self._refusal(f"{cell}, a spreadsheet's error", allowed, "path")

    def _cell(self, values: pd.Series[Any], place: int) -> str:
        """What some of a column's values hold at a place among them, and in which row."""
        row = self._rows.place(int(values.index[place]))
        return f"{shown(values.name)} is {shown(str(values.iloc[place]))} in {row}"

    def _filled(self, name: str, field: str) -> pd.Series[Any]:
        """A column without gaps."""
        column = self._column(name, field)
        if (missing := column.isna()).any():
            row = self._rows.place(_first(missing))
            what = f"{shown(name)} is missing in {row} and {missing.sum()} in all"
            raise self._refusal(what, "a value in each row", field)
        return column

    def _labels(self) -> tuple[npt.NDArray[Any], tuple[str, ...]]:
        """As numbers or as classes' places in their order, and the classes' names."""
        name = self._uses.label
        column = self._filled(name, "label")
        if self._uses.target == "number":
            return self._numbers(column, "label").astype(np.float32), ()
        if (fractions := _fractions(column)).any():
            what = f"{shown(name)} has fractions, as {column[fractions].iloc[0]:g}"
            raise self._refusal(what, "classes, or target: number", "label")
        codes, names = self._codes(_whole(column), "label")
        return codes.astype(np.int64), names

    def _names(self, name: str, field: str) -> Names:
        column = self._filled(name, field)
        if _fractions(column).any():
            raise self._refusal(f"{shown(name)} has fractions", "names, or whole numbers", field)
        return _whole(column).astype(str).to_numpy(dtype=np.str_)

    def _split(self, name: str, whole: Part) -> dict[Split, Part]:
        words = self._names(name, "split")
        meant = np.array([split_named(word) or "" for word in words.tolist()])
        if "" in meant:
            row = int(np.flatnonzero(meant == "")[0])
            what = f"{shown(name)} is {shown(str(words[row]))} in {self._rows.place(row)}"
            raise self._refusal(what, ", ".join(SPLITS), "split")
        places = {split: np.flatnonzero(meant == split) for split in SPLITS.values()}
        return {split: whole.chosen(each) for split, each in places.items() if len(each)}

    def _features(self) -> Sequence[str]:
        uses = self._uses
        others = (uses.label, uses.site, uses.split)
        return uses.features or [str(c) for c in self._frame.columns if c not in others]

    def _inputs(self) -> tuple[Floats, tuple[int, ...]]:
        """The features [rows, columns] as numbers, and the places of those that are categories."""
        uses, names = self._uses, self._features()
        if not names:
            raise self._refusal("has no column to learn from", "one or more beside the label")
        for name in uses.categories or ():
            if name not in names:
                what = f"{shown(name)} is no feature"
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
        if column.dtype == object and _sort(column) == "numbers":
            column = column.astype(np.float64)  # Whole ones that 64 bits don't hold.
        if not types.is_numeric_dtype(column) or types.is_complex_dtype(column):
            self._check_text(column)
            what = f"{shown(column.name)} holds {_sort(column)}"
            raise self._refusal(what, "numbers" if field == "label" else "numbers or text", field)
        numbers = column.to_numpy(dtype=np.float64, na_value=np.nan)
        large = pd.Series(np.abs(numbers) > _LARGEST)
        if large.any():
            row = _first(large)
            what = f"{shown(column.name)} is {numbers[row]:g} in {self._rows.place(row)}"
            raise self._refusal(what, "finite numbers, and missing ones", field)
        return numbers

    def _categories(self, column: pd.Series[Any]) -> Floats:
        """Of each row the place of its category in their order, NaN where it is missing."""
        self._check_text(column)
        return self._codes(column, "features")[0]

    def _codes(self, column: pd.Series[Any], field: str) -> tuple[Floats, tuple[str, ...]]:
        codes, found = pd.factorize(column, sort=True)
        if len(found) > MOST_CATEGORIES:
            examples = ", ".join(shown(str(one)) for one in found[:2])
            what = f"{shown(column.name)} has {len(found)} different values, as {examples}"
            number = "target: number" if field == "label" else "features without it"
            raise self._refusal(what, f"at most {MOST_CATEGORIES} categories, or {number}", field)
        return np.where(codes < 0, np.nan, codes), tuple(map(str, found))

    def _check_text(self, column: pd.Series[Any]) -> None:
        """Raise Refusal for numbers among which some cells are not: no one means categories."""
        if column.name in (self._uses.categories or ()):
            return
        values = column.dropna().astype(str)
        otherwise = values.str.fullmatch(_OTHERWISE)
        words = pd.to_numeric(values, errors="coerce").isna() & ~otherwise
        if 2 * words.sum() >= len(values):
            return
        self._check_commas(values)
        for strange, is_what in ((words, "mostly numbers"), (otherwise, "likely a number")):
            if strange.any():
                cell = self._cell(values[strange], 0)
                allowed = "numbers as 1234.5, empty cells, or the column in categories"
                raise self._refusal(f"{cell}, and {is_what}", allowed, "path")

    def _check_commas(self, values: pd.Series[Any]) -> None:
        """Raise Refusal for the odd one among numbers with decimal commas and such with points."""
        commas = values[values.str.fullmatch(r"[+-]?\d+,\d+")]
        points = values[values.str.fullmatch(r"[+-]?\d[\d,]*\.[\d.,]*")]
        if not len(points) or commas.str.fullmatch(_GROUPED).all():
            return
        odd, most = sorted((commas, points), key=len)
        what = f"{self._cell(odd, 0)}, and others are as {shown(most.iloc[0])}"
        allowed = "decimal commas or points, and none between thousands"
        raise self._refusal(f"{what}: decimal commas and points mixed", allowed, "path")


def _fractions(column: pd.Series[Any]) -> pd.Series[Any]:
    """Which are floats, and no whole numbers but for an error of rounding, or too large for one."""
    if not types.is_float_dtype(column):
        return pd.Series(False, column.index)
    return ~(((column - column.round()).abs() <= TOLERANCE) & (column.abs() < _LARGEST_WHOLE))


def _whole(column: pd.Series[Any]) -> pd.Series[Any]:
    return column.round().astype(np.int64) if types.is_float_dtype(column) else column


def _listed(names: Iterable[str]) -> str:
    known = list(names)
    more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
    return ", ".join(map(_short, known[:_SHOWN])) + more


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST else f"{name[:_LONGEST]}..."


def _is_text(column: pd.Series[Any]) -> bool:
    """Whether it holds words: text, or true and false with gaps between them."""
    return isinstance(column.dtype, pd.CategoricalDtype) or _sort(column) in ("text", "boolean")


def _sort(column: pd.Series[Any]) -> str:
    """What a column holds, in a word."""
    found = types.infer_dtype(column, skipna=True)
    return {"string": "text", "floating": "numbers", "integer": "numbers"}.get(found, found)


def _first(rows: pd.Series[Any]) -> int:
    """The first row, counted from 0, that is true."""
    return int(np.flatnonzero(rows.to_numpy())[0])
