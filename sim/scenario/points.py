"""The points of a sweep: one scenario for each combination of the varied settings' values.

What will be run, under which names, is known and checked before anything runs.
"""

import itertools
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from typing import Any

from sim.record.errors import (
    Mistakes,
    Path,
    Place,
    Refusal,
    ScenarioError,
    did_you_mean,
    dotted,
    scenario_error,
)
from sim.record.points import (
    BASE,
    FolderRecord,
    PointRecord,
    ProtocolRecord,
    TargetRecord,
    point_names,
)
from sim.record.rows import SERVER
from sim.record.units import quantity
from sim.scenario import ranges
from sim.scenario.groups import briefly
from sim.scenario.loading import dump, load
from sim.scenario.paths import apply, at, check_path, leave_defaults_to_the_kind
from sim.scenario.scenario import Scenario, validated
from sim.scenario.yaml_loader import parse, plain, unwritten

MOST_POINTS = 10_000
MOST_SEEDS = 10_000
MOST_WRONG = 100
"""After so many points with mistakes the others, which will have the same, aren't looked at."""

_FORM = "PATH=V1,V2,..., e.g. faults.churn.failure_rate='0 / h,2 / h,4 / h'"


@dataclass(frozen=True)
class Point:
    """One combination of values, and the scenario that has them."""

    name: str
    """Names its folder; unique in the sweep, without regard to case. "base" if nothing varies."""
    values: Mapping[str, float | str]
    """By full path: numbers in the path's unit if all its values are numbers, else text."""
    written: Mapping[str, str]
    """The same values as the user wrote them, or what tells them apart; see `_Axis.labels`."""
    scenario: Scenario
    """Without a sweep of its own."""


@dataclass(frozen=True)
class Sweep:
    """A scenario, the settings that are varied, and all their combinations."""

    base: Scenario
    """Without its sweep section."""
    vary: Mapping[str, tuple[str, ...]]
    """By full path the values as written, ranges spelled out."""
    units: Mapping[str, str]
    """By full path what its numbers count: s, B, B/s, 1/s or nothing."""
    points: tuple[Point, ...]
    """In the order of the values; the last path's change fastest."""


@dataclass(frozen=True)
class _Axis:
    """One varied setting."""

    path: tuple[str, ...]
    texts: tuple[str, ...]
    origin: str
    """The option or the line where it was written."""

    @property
    def name(self) -> str:
        return dotted(self.path)

    @property
    def place(self) -> Place:
        return Place(f"{self.origin} {self.name}", 0)

    @cached_property
    def labels(self) -> Mapping[str, str]:
        """What each text is called: of named parts their names, if these tell all values apart.

        `faults` that are {} or {blow: {kind: crash, ...}} are called `none` and `blow`.
        """
        names = {text: _names_in(_read(text), text) for text in self.texts}
        return names if len(set(names.values())) == len(names) else {text: text for text in names}

    def mistake(self, what: str, allowed: str) -> ScenarioError:
        return scenario_error(self.place, self.path, what, allowed)


def grid(
    source: str | Scenario,
    overrides: Sequence[str] = (),
    vary: Sequence[str] | Mapping[str, Any] = (),
    seeds: int | None = None,
    protocols: Sequence[str] = (),
    only_seeds: Sequence[int] = (),
    tune: Sequence[str] = (),
    checked: Callable[[int, int], object] = lambda points, of: None,
) -> Sweep:
    """The sweep of a scenario, or of a file or a shipped name, every point of it validated.

    ``overrides`` are ``PATH=VALUE``, applied first, to a file. ``vary`` are ``PATH=V1,V2,...``, or
    values by path, a list or such text; they replace the values that the scenario's ``sweep:``
    gives the same path, or cross them. ``seeds``: 0 to
    seeds - 1 in place of the scenario's. ``protocols`` and ``only_seeds`` choose some, () all.
    ``tune`` are paths beside those of the file's ``tune:``. ``checked`` hears of each point how
    many of all have been looked at.

    Raises ScenarioError with all mistakes of a sort, and for more than ``MOST_POINTS`` points.
    """
    scenario = source if isinstance(source, Scenario) else load(source, overrides)
    scenario = with_seeds(scenario, seeds)
    axes = _axes(scenario, vary)
    changes = {"sweep": None, "tune": _tuned(scenario, tune, axes)}
    base = restricted(scenario, protocols, only_seeds).model_copy(update=changes)
    mistakes = Mistakes()
    for axis in axes:
        with mistakes.collected():
            check_path(base, axis.path, axis.place)
    mistakes.tell()
    _check_apart(axes)
    if (count := math.prod(len(axis.texts) for axis in axes)) > MOST_POINTS:
        raise scenario_error(
            Place("sweep", 0), (), f"has {count} points", f"at most {MOST_POINTS} in one sweep"
        )
    points, units = _points(base, axes, checked)
    _check_distinct(axes, points)
    _check_told_alike(axes, points)
    return Sweep(base, {axis.name: axis.texts for axis in axes}, units, points)


def with_seeds(scenario: Scenario, count: int | None) -> Scenario:
    """The scenario with the seeds 0 to `count` - 1; None leaves it its own. ScenarioError."""
    if count is None:
        return scenario
    if not 1 <= count <= MOST_SEEDS:
        place = Place(f"--seeds {count}", 0)
        raise scenario_error(place, ("seeds",), "is no number of seeds", f"1 to {MOST_SEEDS}")
    return scenario.model_copy(update={"seeds": tuple(range(count))})


def dump_sweep(sweep: Sweep) -> str:
    """The base with every default and a ``sweep:`` section; its grid is an equal sweep."""
    return dump(sweep.base.model_copy(update={"sweep": dict(sweep.vary)}))


def restricted(scenario: Scenario, protocols: Sequence[str], seeds: Sequence[int]) -> Scenario:
    """Return the scenario with the chosen protocols and seeds only, in the scenario's own order.

    Choosing none keeps all. Raises ScenarioError for a choice that the scenario doesn't have.
    """
    _require("--protocol", protocols, scenario.protocols)
    _require("--seed", seeds, scenario.seeds)
    kept = {
        name: settings
        for name, settings in scenario.protocols.items()
        if not protocols or name in protocols
    }
    numbers = tuple(seed for seed in scenario.seeds if not seeds or seed in seeds)
    return scenario.model_copy(update={"protocols": kept, "seeds": numbers})


def _require(option: str, chosen: Sequence[object], available: Iterable[object]) -> None:
    allowed = list(available)
    for value in chosen:
        if value not in allowed:
            raise ScenarioError(
                f"{option} {value}: not in the scenario{did_you_mean(value, map(str, allowed))}; "
                f"allowed: {', '.join(map(str, allowed))}"
            )


def folder_record(sweep: Sweep) -> FolderRecord:
    """What a sweep's folder tells of it before anything has run."""
    task, target = sweep.base.task, sweep.base.evaluation.target
    directions = {**task.directions, **task.final_directions}
    metric = target.metric if target else next(iter(task.directions))
    return FolderRecord(
        scenario=sweep.base.name,
        metric=metric,
        directions=directions,
        bounds=task.bounds,
        units=sweep.units,
        # A point alone has nothing to choose from.
        tune=tuple(path for path in sweep.base.tune or () if path in sweep.vary),
        points=tuple(map(_point_record, sweep.points)),
    )


def run_record(scenario: Scenario) -> FolderRecord:
    """The same of a scenario alone: a sweep of one point."""
    return folder_record(Sweep(scenario, {}, {}, (Point(BASE, {}, {}, scenario),)))


def _point_record(point: Point) -> PointRecord:
    scenario, target = point.scenario, point.scenario.evaluation.target
    crash_s, crash_node = _told_crash(scenario)
    return PointRecord(
        name=point.name,
        values=point.values,
        written=point.written,
        protocols={
            name: ProtocolRecord(one.kind, one.needs_server, one.is_reference)
            for name, one in scenario.protocols.items()
        },
        seeds=tuple(scenario.seeds),
        clients=scenario.clients.count,
        duration_s=scenario.duration,
        crash_s=crash_s,
        crash_node=crash_node,
        target=TargetRecord(**target.model_dump()) if target else None,
    )


def _told_crash(scenario: Scenario) -> tuple[float, str] | tuple[None, None]:
    """When the crash strikes that tables tell of, and whom: the server's first, else the first."""
    crashes = [
        (fault.crash_s, struck)
        for fault in scenario.acting_faults.values()
        if fault.crash_s is not None and (struck := fault.strikes(scenario.node_names))
    ]
    of_server = [(crash_s, SERVER) for crash_s, struck in crashes if SERVER in struck]
    others = [(crash_s, briefly(struck)) for crash_s, struck in crashes]
    return min(of_server or others, default=(None, None))


def _axes(scenario: Scenario, vary: Sequence[str] | Mapping[str, Any]) -> list[_Axis]:
    """The scenario's own axes in their order, then those that were only asked for."""
    written = [
        _Axis(_parts(path), texts, f"{scenario.place(('sweep', path))}: sweep")
        for path, texts in (scenario.sweep or {}).items()
    ]
    axes = {axis.path: axis for axis in _each_once(written)}
    given, mistakes = [], Mistakes()
    asked = (
        [partial(_given, path, values) for path, values in vary.items()]
        if isinstance(vary, Mapping)
        else [partial(_parsed, option) for option in vary]
    )
    for read in asked:
        with mistakes.collected():
            given.append(read())
    mistakes.tell()
    axes |= {axis.path: axis for axis in _each_once(given)}
    return list(axes.values())


def _each_once(axes: Sequence[_Axis]) -> Sequence[_Axis]:
    for index, axis in enumerate(axes):
        if axis.path in [earlier.path for earlier in axes[:index]]:
            raise axis.mistake("is varied twice", "each path once, with all its values")
    return axes


def _parsed(option: str) -> _Axis:
    path, equals, text = option.partition("=")
    parts = _parts(path)
    place = Place(f"--vary {option}", 0)
    if not equals or not all(parts):
        raise scenario_error(place, (), "varies nothing", _FORM)
    try:
        texts = ranges.values(text.strip() or None)
    except Refusal as refusal:
        raise scenario_error(place, parts, refusal.what, refusal.allowed) from None
    return _Axis(parts, texts, "--vary")


def _given(path: str, values: Any) -> _Axis:
    """The axis that a program asks for."""
    parts, origin = _parts(path), "vary"
    try:
        return _Axis(parts, ranges.values(plain(values)), origin)
    except Refusal as refusal:
        raise scenario_error(Place(origin, 0), parts, refusal.what, refusal.allowed) from None


def _parts(path: str) -> tuple[str, ...]:
    parts = (part.strip() for part in path.split("."))
    return tuple(str(int(part)) if re.fullmatch("[0-9]{1,9}", part) else part for part in parts)


def _tuned(
    scenario: Scenario, options: Sequence[str], axes: Sequence[_Axis]
) -> tuple[str, ...] | None:
    """The paths to be tuned, each once, the scenario's own first; None if there are none."""
    written = [
        (path, scenario.place(("tune", index))) for index, path in enumerate(scenario.tune or ())
    ]
    varied, found = [axis.name for axis in axes], []
    for path, place in [*written, *((path, Place(f"--tune {path}", 0)) for path in options)]:
        name = dotted(_parts(path))
        if name not in varied:
            allowed = ", ".join(varied) or "a path that sweep or --vary gives several values"
            what = f"{path!r} is not varied{did_you_mean(path, varied)}"
            raise scenario_error(place, ("tune",), what, allowed)
        found.append(name)
    return tuple(dict.fromkeys(found)) or None


def _check_apart(axes: Sequence[_Axis]) -> None:
    for one, other in itertools.permutations(axes, 2):
        if other.path[: len(one.path)] == one.path:
            raise other.mistake(f"lies inside {one.name}, which is varied too", "one of them")


def _check_told_alike(axes: Sequence[_Axis], points: Sequence[Point]) -> None:
    """What is read from tables of different detail can't be set beside each other."""
    told: dict[Path, set[str | int]] = {
        ("output", "trace"): {point.scenario.output.trace for point in points},
        ("evaluation", "clients"): {point.scenario.evaluation.clients for point in points},
    }
    for axis in axes:
        for path, values in told.items():
            if path[: len(axis.path)] == axis.path and len(values) > 1:
                what = "changes what tables tell, and nothing that happens"
                raise scenario_error(axis.place, path, what, "the same at all points")


def _points(
    base: Scenario, axes: Sequence[_Axis], checked: Callable[[int, int], object]
) -> tuple[tuple[Point, ...], dict[str, str]]:
    """The points, and by path what its numbers count."""
    paths = [axis.name for axis in axes]
    content = base.model_dump(mode="json", exclude_none=True)
    for axis in axes:
        leave_defaults_to_the_kind(content, base, axis.path)
    combinations = list(itertools.product(*(axis.texts for axis in axes)))
    scenarios = _scenarios(content, axes, combinations, checked)
    labels = [axis.labels for axis in axes]
    called = [
        tuple(own[text] for own, text in zip(labels, texts, strict=True)) for texts in combinations
    ]
    columns = [
        _values([at(scenario, axis.path) for scenario in scenarios], texts)
        for axis, texts in zip(axes, zip(*called, strict=True), strict=True)
    ]
    names = point_names(paths, called)
    points = tuple(
        Point(
            name,
            {path: column[place] for path, (column, _) in zip(paths, columns, strict=True)},
            dict(zip(paths, called[place], strict=True)),
            scenarios[place],
        )
        for place, name in enumerate(names)
    )
    return points, {path: unit for path, (_, unit) in zip(paths, columns, strict=True)}


def _scenarios(
    content: dict[str, Any],
    axes: Sequence[_Axis],
    combinations: Sequence[tuple[str, ...]],
    checked: Callable[[int, int], object],
) -> list[Scenario]:
    scenarios: list[Scenario] = []
    mistakes = Mistakes()
    for looked_at, texts in enumerate(combinations):
        if looked_at - len(scenarios) == MOST_WRONG:
            break
        with mistakes.collected():
            scenarios.append(_varied(content, axes, texts))
        checked(looked_at + 1, len(combinations))
    mistakes.tell()
    return scenarios


def _values(
    held: Sequence[Any], written: Sequence[str]
) -> tuple[list[float], str] | tuple[list[str], str]:
    """One axis's values at each point, numbers and their unit if all are, else text."""
    pairs = list(zip(held, written, strict=True))
    found = [number for number in itertools.starmap(_number, pairs) if number is not None]
    if len(found) == len(pairs):
        return [number for number, _ in found], found[0][1]
    return [value if isinstance(value, str) else text for value, text in pairs], ""


def _names_in(value: Any, text: str) -> str:
    if not isinstance(value, dict) or not all(isinstance(one, dict) for one in value.values()):
        return text
    return ", ".join(map(str, value)) or "none"


def _number(value: Any, text: str) -> tuple[float, str] | None:
    """The number that a setting holds, and what it counts; None if it is none.

    A plain quantity is one, too, where the setting holds more, as a distribution.
    """
    written = _read(text)
    found = quantity(written) if isinstance(written, str) else None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value, found[1] if found else ""
    return None if isinstance(value, str | bool) else found


@lru_cache(maxsize=MOST_POINTS)  # Each point asks.
def _read(text: str) -> Any:
    """A value's text as YAML has it, to look at."""
    return parse(text, "value").value


def _varied(content: dict[str, Any], axes: Sequence[_Axis], texts: Sequence[str]) -> Scenario:
    """The scenario with these values; its mistakes name the options that gave them."""
    changed = [(f"{axis.name}={text}", axis.origin) for axis, text in zip(axes, texts, strict=True)]
    whole = " ".join(f"{origin} {override}" for override, origin in changed) or "sweep"
    document = unwritten(content, whole)
    for override, origin in changed:
        apply(document, override, origin)
    scenario = validated(document)
    document.value = None  # its places are still needed, and ten thousand contents take room
    return scenario


def _check_distinct(axes: Sequence[_Axis], points: Sequence[Point]) -> None:
    for axis in axes:
        scenarios: dict[str, Scenario] = {}
        for point in points:
            scenarios.setdefault(point.written[axis.name], point.scenario)
        same: dict[str, str] = {}
        for text in axis.texts:
            meant = repr(at(scenarios[axis.labels[text]], axis.path))
            if meant in same:
                what = f"{same[meant]!r} and {text!r} are the same value"
                raise axis.mistake(what, "each value once")
            same[meant] = text
