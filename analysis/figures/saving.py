"""Figures as files: the same bytes for the same results, and whole or not there."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from analysis import figures
from analysis.canvas import look
from analysis.canvas.choices import default_figure
from analysis.canvas.several import labels
from analysis.files import whole_file
from analysis.loading import load
from analysis.tuning import tuned
from analysis.where import of_several, where
from sim.record.errors import ResultError
from sim.record.points import portable, shortened, tails

# By a file's ending the metadata that would differ from day to day, or between versions.
FORMATS: dict[str, dict[str, Any]] = {
    ".png": {"Software": None},
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None},
}
OPTIONS = {
    "points": "--point",
    "nodes": "--node",
    "protocol": "--protocol",
    "seed": "--seed",
    "metric": "--metric",
    "over": "--over",
    "stage": "--stage",
    "baseline": "--baseline",
    "from_s": "--from",
    "until_s": "--to",
}
"""The figures' keywords that the command line has an option for."""
_SETTINGS: dict[Any, Any] = {
    **{"svg.hashsalt": "braintorrent", "pdf.fonttype": 42, "ps.fonttype": 42},
    "text.parse_math": False,
}
"""Type 42, TrueType, is what publishers take; an SVG's letters are outlines, and need no font."""


def plot(
    folder: Path,
    *others: Path,
    figure: str | None = None,
    conditions: Sequence[str] = (),
    out: Path | None = None,
    width_in: float | None = None,
    **choices: Any,
) -> Path:
    """Draw one figure of the results in `folder`, and in `others`; returns its file's path.

    Without `figure` it is `default_figure`, of several folders convergence; without `out` a PNG
    named after the figure and what was chosen, in the folder, or here if it is of several.
    `conditions` choose points, see `where`; of several folders, those of sweeps. `width_in`: for
    print, see `printed`. `choices` are the figure's keywords of `OPTIONS`; None leaves one open.
    Raises ResultError for an unknown figure or ending, for a choice that the figure doesn't have,
    and where it can't show the results.
    """
    if figure is not None and figure not in figures.FIGURES:
        raise ResultError(f"--figure {figure}: unknown; allowed: {', '.join(figures.FIGURES)}")
    if out is not None:
        _check_ending(out)
    made = {choice: value for choice, value in choices.items() if value is not None}
    shown: Any
    if others:
        name, several = figure or figures.OF_SEVERAL[0], (folder, *others)
        _check_several(name)
        shown, home = of_several(several, conditions), Path()
        about = ["+".join(map(portable, labels(shown)))]
    else:
        shown, home, about = where(tuned(load(folder)), conditions), folder, []
        name = figure or default_figure(shown)
    _check_choices(name, made)
    told = "_".join((name, *about, *_where(conditions), *_chosen(name, made)))
    target = out or home / f"{shortened(told)}.png"
    with nullcontext() if width_in is None else look.printed(width_in):
        drawn = figures.FIGURES[name](shown, **made)
    save(drawn, target)
    return target


def _check_several(figure: str) -> None:
    if figure not in figures.OF_SEVERAL:
        what = f"--figure {figure}: shows one folder"
        raise ResultError(f"{what}; allowed of several: {', '.join(figures.OF_SEVERAL)}")


def _check_choices(figure: str, made: Mapping[str, Any]) -> None:
    for choice in made:
        having = [name for name in figures.FIGURES if choice in _keywords(name)]
        if figure not in having:
            what = f"{OPTIONS[choice]}: the figure {figure} has no such choice"
            raise ResultError(f"{what}; allowed with: {', '.join(having)}")


def _where(conditions: Sequence[str]) -> Iterator[str]:
    parts = [condition.partition("=") for condition in conditions]
    paths = [path.strip() for path, _, _ in parts]
    ends = dict(zip(dict.fromkeys(paths), tails(list(dict.fromkeys(paths))), strict=True))
    for path, (_, _, value) in zip(paths, parts, strict=True):
        yield f"{ends[path]}-{portable(value)}"


def _chosen(figure: str, made: Mapping[str, Any]) -> Iterator[str]:
    """What tells the file from that of the default choices, which has the figure's bare name."""
    for choice, value in made.items():
        if value == _keywords(figure)[choice].default:
            continue
        if isinstance(value, int | float):
            yield f"{OPTIONS[choice].lstrip('-')}-{value:g}"
        else:
            texts = [value] if isinstance(value, str) else value
            yield "+".join(map(portable, texts))


def _keywords(figure: str) -> Mapping[str, Any]:
    # Looks through what gives it its look to the function's own signature.
    return inspect.signature(figures.FIGURES[figure]).parameters


def save(figure: Figure, target: Path) -> None:
    """Write a figure as PNG, SVG or PDF, by the file's ending. Raises ResultError for another."""
    ending = _check_ending(target)
    with whole_file(target) as path, rc_context(_SETTINGS):
        figure.savefig(path, format=ending[1:], dpi=figure.dpi, metadata=FORMATS[ending])


def _check_ending(target: Path) -> str:
    ending = target.suffix.lower()
    if ending not in FORMATS:
        raise ResultError(f"{target}: unknown ending; allowed: {', '.join(FORMATS)}")
    return ending
