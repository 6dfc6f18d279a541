"""Result folders' closing tables as CSV, LaTeX or Markdown."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

import pandas as pd

from analysis.canvas.several import labels
from analysis.comparison import NONE, compared
from analysis.report.tables import Table, tables_of
from analysis.results import Results
from analysis.tables.closing import closing_table
from sim.record.errors import ResultError
from sim.record.words import plain_text

_LATEX = {
    **{"±": r"$\pm$", "−": r"$-$", NONE: "--"},
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
    **{"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"},
    **{"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}"},
}
"""What LaTeX takes for more than a letter, or has no letter for in every font."""
_MARKDOWN = re.compile(r"[\\`*\[\]<>|$~&]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
"""What Markdown could take for more than a letter; within a word _ is one."""
_FORMULAS = ("=", "+", "-", "@", "\n")
_QUANTITY = re.compile(r"[+-]?[0-9.]+(e[+-]?[0-9]+)? *[A-Za-z%µ/ ]*", re.IGNORECASE)
"""What begins with a sign and is no formula: a number, perhaps with a unit."""


def csv(several: Sequence[Results]) -> str:
    """One row per folder, point and protocol, numbers in full; see `closing_table`.

    Text that a spreadsheet would take for a formula begins with an apostrophe, as OWASP advises
    ("CSV Injection").
    """
    frame = closing_table(several).map(_no_formula).rename(columns=_no_formula)
    return frame.to_csv(index=False, lineterminator="\n")


def _no_formula(cell: object) -> object:
    if not isinstance(cell, str):
        return cell
    text = plain_text(cell)
    return f"'{text}" if text[:1] in _FORMULAS and not _QUANTITY.fullmatch(text) else text


def latex(tables: Iterable[Table]) -> str:
    """A table environment for each; they need booktabs."""
    return "% \\usepackage{booktabs}\n" + "\n".join(map(_latex, tables))


def markdown(tables: Iterable[Table]) -> str:
    """The same as tables of Markdown's pipes, each below its caption."""
    return "\n".join(map(_markdown, tables))


CSV = "csv"
OF_TABLES: dict[str, Callable[[Iterable[Table]], str]] = {"latex": latex, "markdown": markdown}
FORMATS = (CSV, *OF_TABLES)


def export(several: Sequence[Results], file_format: str) -> str:
    """The tables of one folder or of several, one below the other, in one of `FORMATS`.

    Raises ResultError if there is nothing to show, and where folders that are judged by different
    metrics would stand in one column.
    """
    return csv(several) if file_format == CSV else OF_TABLES[file_format](shown_tables(several))


def shown_tables(several: Sequence[Results]) -> list[Table]:
    """Scores, differences and work, of several folders with the scenario's name in each row."""
    _check(several)
    kinds: dict[str, dict[str, Table]] = {}
    for label, results in zip(labels(several), several, strict=True):
        for kind, one in tables_of(results, compared(results)).items():
            kinds.setdefault(kind, {})[label] = one
    return [joined(parts) for parts in kinds.values()]


def _check(several: Sequence[Results]) -> None:
    metrics = dict.fromkeys(one.metric for one in several)
    if len(metrics) > 1:
        what = f"the folders are judged by different metrics: {', '.join(metrics)}"
        raise ResultError(f"{what}; allowed: --format csv or text, or one folder at a time")
    for one in several:
        if len(one.missing) == len(one.runs):
            raise ResultError(f"{one.folder}: none of its runs is finished; allowed: --format csv")


def joined(parts: Mapping[str, Table]) -> Table:
    """Tables below each other, by what they are of; what one of them lacks is empty there."""
    first, *others = parts.values()
    if not others:
        return first
    heads = _union(one.columns[: one.heads] for one in parts.values())
    # The protocol stands next to what is told of it.
    heads = [name for name in heads if name not in _LAST_HEADS] + [
        name for name in _LAST_HEADS if name in heads
    ]
    columns = heads + _union(one.columns[one.heads :] for one in parts.values())
    rows = [
        (label, *(dict(zip(one.columns, row, strict=True)).get(name, NONE) for name in columns))
        for label, one in parts.items()
        for row in one.rows
    ]
    captions = [f"{label}: {one.caption}" for label, one in parts.items()]
    told = {one.caption for one in parts.values()}
    caption = first.caption if len(told) == 1 else "; ".join(captions)
    return Table(caption, ("scenario", *columns), tuple(rows), 1 + len(heads))


_LAST_HEADS = ("protocol", "at equal")


def _union(names: Iterable[Iterable[str]]) -> list[str]:
    return list(dict.fromkeys(name for own in names for name in own))


def _latex(table: Table) -> str:
    frame = pd.DataFrame(list(table.rows), columns=list(table.columns))
    style = frame.style.hide(axis="index").format(_for_latex)
    style = style.format_index(_for_latex, axis="columns")
    sides = "l" * table.heads + "r" * (len(table.columns) - table.heads)
    return str(
        style.to_latex(
            hrules=True, column_format=sides, caption=_for_latex(table.caption),
            position_float="centering",
        )
    )  # fmt: skip


def _for_latex(cell: object) -> str:
    text = plain_text(str(cell))
    # At a row's beginning these would belong to the line break before it.
    first = f"{{{text[0]}}}" if text[:1] in ("[", "*") else ""
    return first + "".join(_LATEX.get(letter, letter) for letter in text[bool(first) :])


def _markdown(table: Table) -> str:
    sides = [":--"] * table.heads + ["--:"] * (len(table.columns) - table.heads)
    lines = (_pipes(cells) for cells in (table.columns, sides, *table.rows))
    return f"{_as_markdown(table.caption)}\n\n" + "".join(f"{line}\n" for line in lines)


def _pipes(cells: Iterable[str]) -> str:
    return f"| {' | '.join(map(_as_markdown, cells))} |"


def _as_markdown(text: str) -> str:
    return _MARKDOWN.sub(r"\\\g<0>", plain_text(" ".join(text.split("\n"))))
