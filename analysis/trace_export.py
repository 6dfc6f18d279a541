"""A run's timeline as a file for a viewer."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from analysis import perfetto
from analysis.files import whole_file
from analysis.loading import load
from analysis.metrics import STATE_KINDS
from analysis.results import Results
from analysis.timeline import Timeline, layout
from analysis.where import where
from sim.record.errors import ResultError
from sim.record.points import file_part
from sim.record.rows import FINISHED

# Called with (timeline, title, what the file is about); gives the lines of the file.
FORMATS: dict[str, Callable[[Timeline, str, Mapping[str, str]], Iterator[str]]] = {
    "perfetto": perfetto.lines
}


def export(
    folder: Path,
    *,
    file_format: str = "perfetto",
    point: str | None = None,
    conditions: Iterable[str] = (),
    protocol: str | None = None,
    seed: int | None = None,
    out: Path | None = None,
) -> Path:
    """Write the timeline of one run in `folder`; returns the file's path.

    A choice may be left out where there is only one; `conditions` choose points, see `where`;
    without `out` the file stands in the folder.
    Raises ResultError for a choice that the folder does not have, or a run that isn't finished.
    """
    if file_format not in FORMATS:
        raise ResultError(f"--format {file_format}: unknown; allowed: {', '.join(FORMATS)}")
    results = where(load(folder), conditions)
    point = _only(results, "point", point, results.points["point"])
    protocol = _only(results, "protocol", protocol, results.protocols)
    chosen_seed = int(_only(results, "seed", None if seed is None else str(seed), results.seeds))
    _check_finished(results, point, protocol, chosen_seed)
    run: dict[str, Any] = {"points": point, "protocols": protocol, "seeds": chosen_seed}
    # Of a trace that leaves out all that is shown it is told what was needed.
    kinds = None if results.told(STATE_KINDS) else STATE_KINDS
    shown = layout(results.trace(**run, kinds=kinds), results.scores(**run), results.metric)
    named = [point] if results.is_sweep else []
    about = {"scenario": results.name, "point": point, "protocol": protocol}
    lines = FORMATS[file_format](
        shown,
        " ".join([results.name, *named, protocol, f"seed {chosen_seed}"]),
        about | {"seed": str(chosen_seed), "clock": "virtual time"},
    )
    name = "-".join(map(file_part, [*named, protocol, f"seed{chosen_seed}"]))
    target = out or folder / f"{name}.{file_format}.json"
    with whole_file(target) as path, path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(f"{line}\n" for line in lines)
    return target


def _only(results: Results, what: str, chosen: str | None, among: Iterable[object]) -> str:
    known = [str(one) for one in among]
    if chosen is None and len(known) == 1:
        return known[0]
    if chosen is None:
        raise ResultError(f"--{what}: is needed, one of several; allowed: {', '.join(known)}")
    if chosen not in known:
        what = f"--{what} {chosen}: not in {results.folder}"
        raise ResultError(f"{what}; allowed: {', '.join(known)}")
    return chosen


def _check_finished(results: Results, point: str, protocol: str, seed: int) -> None:
    runs = results.runs
    chosen = (runs["point"] == point) & (runs["protocol"] == protocol) & (runs["seed"] == seed)
    for status, cause in runs.loc[chosen, ["status", "cause"]].itertuples(index=False, name=None):
        if status != FINISHED:
            what = f"{protocol} seed {seed} is {status}: {cause}"
            raise ResultError(f"{results.folder}: {what}; allowed: a finished run")
