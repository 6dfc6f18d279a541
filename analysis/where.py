"""Points of a sweep, chosen by the values of what is varied."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from pandas.api.types import is_numeric_dtype

from analysis.frames import listed
from analysis.loading import load
from analysis.results import Results
from analysis.tuning import tuned
from sim.record.errors import Refusal, ResultError
from sim.record.points import portable
from sim.record.units import parse


def of_several(folders: Sequence[Path], conditions: Sequence[str]) -> list[Results]:
    """The tuned results of each folder; conditions are about the sweeps, if there are any of them.

    Raises ResultError as `load` and `where` do.
    """
    loaded = [tuned(load(folder)) for folder in folders]
    any_sweep = any(one.is_sweep for one in loaded)
    return [where(one, conditions if one.is_sweep or not any_sweep else ()) for one in loaded]


def where(results: Results, conditions: Iterable[str]) -> Results:
    """The results of the points that meet all conditions, each a `PATH=VALUE`.

    Of a path its end will do, if no other ends so: `failure_rate`. Several values of one path are
    alternatives. Quantities are equal if they are the same amount, `2 / h` and `48 / d`; a value
    may also be written as points' names have it, `2perh`. No condition chooses all points. Raises
    ResultError for a path that isn't varied, and a value that no point has.
    """
    wanted: dict[str, set[str]] = {}
    for condition in conditions:
        path, found = _points_with(results, condition)
        wanted.setdefault(path, set()).update(found)
    if not wanted:
        return results
    met = [
        name
        for name in map(str, results.points["point"])
        if all(name in names for names in wanted.values())
    ]
    if not met:
        what = f"{results.folder}: no point meets all --where"
        raise ResultError(f"{what}; allowed: {listed(results.points['point'])}")
    return results.at(met)


def _points_with(results: Results, condition: str) -> tuple[str, list[str]]:
    end, is_whole, text = (part.strip() for part in condition.partition("="))
    if not is_whole:
        raise _no_path(results, f"--where {condition}: is not PATH=VALUE")
    path = path_ending(results, end, f"--where {condition}: {end}")
    written = results.written[path].astype("str")
    named = (written.map(portable) == text).to_numpy()
    if named.any():
        return path, results.points.loc[named, "point"].astype("str").tolist()
    try:
        is_meant = _equal_to(results, path, text)
    except ValueError as error:  # A Refusal is one, too.
        what = error.what if isinstance(error, Refusal) else f"{text!r} is not a number"
        raise _mistake(condition, what, written) from None
    met = [is_meant(value) for value in results.points[path]]
    if not any(met):
        raise _mistake(condition, "no point has this value", written)
    return path, results.points.loc[met, "point"].astype("str").tolist()


def path_ending(results: Results, end: str, asked: str) -> str:
    """The varied path that is `end`, or the only one that ends so.

    Raises ResultError, which begins with `asked`, if there is none.
    """
    ending = [path for path in results.paths if f".{path}".endswith(f".{end}")]
    if end in results.paths:
        return end
    if len(ending) != 1:
        several = f"may be {' or '.join(ending)}" if ending else "is not varied"
        raise _no_path(results, f"{asked} {several}")
    return ending[0]


def _no_path(results: Results, what: str) -> ResultError:
    allowed = listed(results.paths) if results.paths else "a sweep, which varies something"
    return ResultError(f"{what}; allowed: {allowed}")


def _equal_to(results: Results, path: str, text: str) -> Callable[[object], bool]:
    """Whether a point's value is the one in `text`. Raises ValueError if it can't be one."""
    if not is_numeric_dtype(results.points[path]):
        return lambda value: str(value) == text
    unit = results.units[path]
    example = str(results.written[path].iloc[0])
    number = parse(text, unit, example) if unit else float(text)
    return lambda value: value == number


def _mistake(condition: str, what: str, written: Iterable[str]) -> ResultError:
    allowed = listed(dict.fromkeys(written))
    return ResultError(f"--where {condition}: {what}; allowed: {allowed}")
