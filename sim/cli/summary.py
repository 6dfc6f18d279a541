"""The numbers of the closing tables as JSON, and more of them."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from analysis.comparison import EQUALS, PROGRESS, Comparison, Key, overtaking
from analysis.disturbances import struck_text
from analysis.metrics import COSTS, SCORES, SHARES
from analysis.results import Results
from analysis.statistics import Interval, p_value
from sim.cli.tables import expected_runs, mean_of

INTERVAL = "95 % Student's t over seeds, cut off at the metric's bounds"


def as_dict(results: Results, found: Comparison) -> dict[str, Any]:
    """JSON-ready values; null where there is no finite number."""
    lines = [_line(results, found, key, runs) for key, runs in expected_runs(results).items()]
    content: dict[str, Any] = {
        "scenario": results.name,
        "metric": results.metric,
        "interval": INTERVAL,
        "stages": list(found.stages),
        "headline": found.headline,
        "target": results.target and asdict(results.target),
        "crash_s": results.crash_s,
        "crash_node": results.crash_node,
        "seeds": list(results.seeds),
        "baseline": found.baseline,
        "cautions": list(results.cautions),
    }
    if not results.is_sweep:
        (point,) = results.points["point"]
        return content | {"struck": struck_text(results, str(point)), "protocols": lines}
    struck = {str(point): struck_text(results, str(point)) for point in results.points["point"]}
    places = [
        _place(results, point) | {"struck": struck[point]} for point, _ in expected_runs(results)
    ]
    return content | {
        "paths": list(results.paths),
        "tuned": list(results.tune),
        "grid_ends": {path: sorted(ends) for path, ends in results.grid_ends.items()},
        "level_with_baseline": {
            name: [_finite_dict(asdict(one)) for one in own]
            for name, own in overtaking(results, found).items()
        },
        "lines": [place | line for place, line in zip(places, lines, strict=True)],
    }


def _place(results: Results, point: str) -> dict[str, Any]:
    values, written = (
        frame.set_index("point").loc[point].to_dict() for frame in (results.points, results.written)
    )
    numbers = {
        path: value if isinstance(value, str) else _finite(value) for path, value in values.items()
    }
    return {"point": point, "values": numbers, "written": written}


def _line(results: Results, found: Comparison, key: Key, runs: int) -> dict[str, Any]:
    arrival, newcomers = found.arrivals.get(key), found.newcomers.get(key)
    return {
        "protocol": key[1],
        "seeds": runs,
        "scores": {name: _interval_dict(mean_of(found, name, key)) for name in SCORES},
        "differences": {
            equal: told for equal in EQUALS if (told := _differences_dict(found, key, equal))
        },
        "time_to_target_s": arrival and _finite_dict(asdict(arrival)),
        "newcomers_caught_up_s": newcomers and _finite_dict(asdict(newcomers)),
        "local_rounds_done": _finite(mean_of(found, "local_rounds", key).mean),
        "local_rounds_lost": _finite(mean_of(found, "local_rounds_lost", key).mean),
        "bytes_delivered": _finite(mean_of(found, "bytes_received", key).mean),
        "shares_of_time": {name: _finite(mean_of(found, name, key).mean) for name in SHARES},
        "costs": {name: _interval_dict(mean_of(found, name, key)) for name in COSTS},
        "progress_after_crash": _interval_dict(mean_of(found, PROGRESS, key)),
    } | _tuned_dict(results, key)


def _differences_dict(found: Comparison, key: Key, equal: str) -> dict[str, Any]:
    """By score, and how much of it was equal; empty if there is none."""
    own = {
        one.score: found.contrasts[one]
        for one in found.contrasts
        if (one.point, one.protocol, one.equal) == (*key, equal)
    }
    told: dict[str, Any] = {
        name: (_interval_dict(one) or {}) | {"p": _finite(p_value(one))}
        for name, one in own.items()
    }
    amount = found.amounts.get((key[0], equal))
    return told | {"at": amount} if told and amount is not None else told


def _tuned_dict(results: Results, key: Key) -> dict[str, Any]:
    chosen = results.chosen_values
    if chosen is None:
        return {}
    own = chosen[(chosen["point"] == key[0]) & (chosen["protocol"] == key[1])]
    values = {path: own[path].astype("str").tolist() for path in results.tune}
    return {"tuned": {"seeds": own["seed"].tolist(), **values}}


def _interval_dict(one: Interval) -> dict[str, float | None] | None:
    """None if no seed has a finite value; without `low` and `high` for one seed."""
    if not one.count:
        return None
    ends = {"mean": one.mean, "low": one.low, "high": one.high}
    return {name: _finite(value) for name, value in ends.items()} | {"count": one.count}


def _finite_dict(numbers: Mapping[str, float]) -> dict[str, float | None]:
    """Infinite and unknown ones are null."""
    return {name: _finite(value) for name, value in numbers.items()}


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
