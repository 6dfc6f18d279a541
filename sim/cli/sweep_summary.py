"""What a sweep comes to: one line per point and protocol, with how sure the seeds make us.

A room of its own because the terminal's table and ``--json`` must agree, and because a difference
between protocols is only fair in pairs: under one seed both met the same failures.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

from sim.cli.summary import client_values, json_ready, mean, metric_of
from sim.record.rows import AGGREGATE, FAILED, ScoreRow
from sim.results import folder as results
from sim.scenario import Point, Sweep
from sim.scenario.points import Value

REFERENCE_KIND = "fedavg"
# Half of the 5 % that a 95 % interval leaves out lies above it.
_UPPER = 0.975


class Final(NamedTuple):
    """The scores of one run at its last look; NaN if a model's score is."""

    mean_client: float
    aggregate: float | None
    """None where there is no such model."""


Finals = Mapping[tuple[str, int], Final]
"""By protocol and seed; without the runs that failed."""


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds and its 95 % confidence interval by Student's t: mean ± half_width."""

    mean: float
    half_width: float | None
    """None for one seed."""
    count: int
    """Seeds behind it, without those whose run failed or whose score isn't finite."""


@dataclass(frozen=True)
class SweepLine:
    """One protocol at one point; scores are in the unit of the summary's metric."""

    point: str
    values: Mapping[str, Value]
    written: Mapping[str, str]
    protocol: str
    seeds: int
    """How many there should be; compare each estimate's count."""
    mean_client: Estimate | None
    """Final score of the average client; None if no seed has one."""
    aggregate: Estimate | None
    difference: Estimate | None
    """Mean client minus the reference's under the same seed; None for the reference itself."""


@dataclass(frozen=True)
class SweepSummary:
    """The comparison that a sweep asks for."""

    scenario: str
    metric: str
    paths: tuple[str, ...]
    seeds: tuple[int, ...]
    reference: str | None
    """The protocol that differences are taken to: the first of kind fedavg."""
    lines: tuple[SweepLine, ...]


def finals(scores: Iterable[ScoreRow], metric: str) -> dict[tuple[str, int], Final]:
    """The last look's scores of each run in ``scores``, which come in any order."""
    last: dict[tuple[str, int], tuple[float, dict[str, float]]] = {}
    for row in scores:
        if row.metric != metric:
            continue
        run = (row.protocol, row.seed)
        if run not in last or row.time_s > last[run][0]:
            last[run] = (row.time_s, {})
        if row.time_s == last[run][0]:
            last[run][1][row.node] = row.value
    return {
        run: Final(mean(client_values(nodes)), nodes.get(AGGREGATE))
        for run, (_, nodes) in last.items()
    }


def read_finals(folder: Path, metric: str) -> dict[tuple[str, int], Final]:
    """The finals of one point's finished result folder."""
    failed = {
        (run["protocol"], run["seed"])
        for run in results.read_record(folder)["runs"]
        if run.get("status") == FAILED
    }
    found = finals(results.read_scores(folder), metric)
    return {run: final for run, final in found.items() if run not in failed}


def summarise_sweep(sweep: Sweep, found: Mapping[str, Finals]) -> SweepSummary:
    """Condense the finals of all points, by the points' names; a point that lacks has none."""
    kinds = sweep.base.protocols
    reference = next((name for name, one in kinds.items() if one.kind == REFERENCE_KIND), None)
    lines = (
        line
        for point in sweep.points
        for line in _lines(point, found.get(point.name, {}), reference)
    )
    return SweepSummary(
        scenario=sweep.base.name,
        metric=metric_of(sweep.base),
        paths=tuple(sweep.vary),
        seeds=sweep.base.seeds,
        reference=reference,
        lines=tuple(lines),
    )


def read_summary(folder: Path, sweep: Sweep) -> SweepSummary:
    """The summary of a finished sweep's folder; holds one point's scores at a time."""
    metric = metric_of(sweep.base)
    found = {
        point.name: read_finals(folder / results.RUNS_FOLDER / point.name, metric)
        for point in sweep.points
    }
    return summarise_sweep(sweep, found)


def as_dict(summary: SweepSummary) -> dict[str, Any]:
    """The summary as JSON-ready values; what isn't a finite number becomes None."""
    content: dict[str, Any] = json_ready(asdict(summary))
    return content


def estimate(values: Iterable[float]) -> Estimate | None:
    """The mean of the finite values with its interval; None if there is none."""
    known = [value for value in values if math.isfinite(value)]
    if not known:
        return None
    center, count = mean(known), len(known)
    if count == 1:
        return Estimate(center, None, 1)
    from scipy.special import stdtrit  # takes 0.2 s, which no other command needs to wait for

    variance = math.fsum((value - center) ** 2 for value in known) / (count - 1)
    return Estimate(center, float(stdtrit(count - 1, _UPPER)) * math.sqrt(variance / count), count)


def _lines(point: Point, found: Finals, reference: str | None) -> Iterable[SweepLine]:
    seeds = point.scenario.seeds
    means: dict[str, dict[int, float]] = defaultdict(dict)
    for (protocol, seed), final in found.items():
        means[protocol][seed] = final.mean_client
    for protocol in point.scenario.protocols:
        own, other = means[protocol], means.get(reference or "", {})
        yield SweepLine(
            point=point.name,
            values=point.values,
            written=point.written,
            protocol=protocol,
            seeds=len(seeds),
            mean_client=estimate(own.values()),
            aggregate=estimate(_aggregates(protocol, seeds, found)),
            difference=None if protocol == reference else estimate(_differences(own, other)),
        )


def _aggregates(protocol: str, seeds: Sequence[int], found: Finals) -> Iterable[float]:
    for seed in seeds:
        final = found.get((protocol, seed))
        if final is not None and final.aggregate is not None:
            yield final.aggregate


def _differences(own: Mapping[int, float], other: Mapping[int, float]) -> Iterable[float]:
    return (value - other[seed] for seed, value in own.items() if seed in other)
