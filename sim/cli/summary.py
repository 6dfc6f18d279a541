"""What a run comes to: one line per protocol, from nothing but the tables and the scenario.

A room of its own because the terminal's table, `--json` and a folder shown again must agree; all
three are views of the same `Summary`, and everything here is a pure function of its arguments.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from sim.record.rows import AGGREGATE, POOLED, ScoreRow, TraceRow

if TYPE_CHECKING:
    from sim.scenario import Scenario

_Run = tuple[str, int]
_Looks = dict[float, dict[str, float]]


@dataclass(frozen=True)
class Spread:
    """A value per seed, condensed: mean, sample standard deviation (None for one), and count."""

    mean: float
    std: float | None
    count: int


@dataclass(frozen=True)
class ProtocolSummary:
    """What one protocol came to, over all seeds; scores are in the unit of the summary's metric."""

    protocol: str
    mean_client: Spread | None
    """Final score of the average client; None if every run has failed."""
    worst_client: Spread | None
    """Final score of the client that is worst off."""
    aggregate: Spread | None
    """Final score of the average of all clients' models; None where there is no such model."""
    time_to_target_s: Spread | None
    """Virtual seconds until the average client reached the target, over the seeds that did."""
    local_rounds_done: float
    """Per seed, on average; so are the next two."""
    local_rounds_lost: float
    bytes_delivered: float
    progress_after_crash: Spread | None
    """What the average client still gained after the crash; positive is better in any metric."""


@dataclass(frozen=True)
class Summary:
    """The comparison that a scenario asks for."""

    scenario: str
    metric: str
    target: float | None
    crash_s: float | None
    """Virtual time of the scenario's first `crash` fault, in seconds."""
    seeds: tuple[int, ...]
    protocols: tuple[ProtocolSummary, ...]


def summarise(
    scenario: "Scenario", scores: Iterable[ScoreRow], traces: Iterable[TraceRow]
) -> Summary:
    """Condense score and trace rows of all of the scenario's runs, in any order."""
    target, metric = scenario.evaluation.target, metric_of(scenario)
    faults = scenario.faults.values()
    crashes = [fault.crash_s for fault in faults if fault.crash_s is not None]
    looks: dict[_Run, _Looks] = defaultdict(lambda: defaultdict(dict))
    for row in scores:
        if row.metric == metric:
            looks[row.protocol, row.seed][row.time_s][row.node] = row.value
    frame = Summary(
        scenario=scenario.name,
        metric=metric,
        target=target.value if target else None,
        crash_s=min(crashes, default=None),
        seeds=tuple(scenario.seeds),
        protocols=(),
    )
    work, rising = _work(traces), scenario.task.metrics[metric] == "higher"
    lines = tuple(
        _line(frame, rising, name, [looks[name, seed] for seed in frame.seeds], work[name])
        for name in scenario.protocols
    )
    return Summary(**{**vars(frame), "protocols": lines})


def metric_of(scenario: "Scenario") -> str:
    """Return the metric that a scenario is judged by."""
    target = scenario.evaluation.target
    return target.metric if target else next(iter(scenario.task.metrics))


def as_dict(summary: Summary) -> dict[str, Any]:
    """Return the summary as JSON-ready values; what isn't a finite number becomes None."""
    content: dict[str, Any] = json_ready(asdict(summary))
    return content


def _line(
    frame: Summary, rising: bool, protocol: str, runs: Sequence[_Looks], work: Mapping[str, int]
) -> ProtocolSummary:
    sign = 1.0 if rising else -1.0
    finals = [client_values(run[max(run)]) for run in runs if run]
    means = [
        {time: mean(client_values(nodes)) for time, nodes in run.items()} for run in runs if run
    ]
    gains = [
        sign * (run[max(run)] - run[max(time for time in run if time <= frame.crash_s)])
        for run in means
        if frame.crash_s is not None and min(run) <= frame.crash_s < max(run)
    ]
    arrivals = [
        min(reached)
        for run in means
        if frame.target is not None
        and (reached := [time for time in run if sign * run[time] >= sign * frame.target])
    ]
    aggregates = [run[max(run)].get(AGGREGATE) for run in runs if run]
    seeds = max(1, len(finals))  # Without those that have failed.
    return ProtocolSummary(
        protocol=protocol,
        mean_client=_spread([mean(values) for values in finals]),
        worst_client=_spread([sign * _least([sign * value for value in run]) for run in finals]),
        aggregate=_spread([value for value in aggregates if value is not None]),
        time_to_target_s=_spread(arrivals),
        local_rounds_done=work["train"] / seeds,
        local_rounds_lost=work["train_lost"] / seeds,
        bytes_delivered=work["bytes"] / seeds,
        progress_after_crash=_spread(gains),
    )


def _work(traces: Iterable[TraceRow]) -> Mapping[str, Mapping[str, int]]:
    work: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for row in traces:
        if row.kind in ("train", "train_lost"):
            work[row.protocol][row.kind] += 1
        elif row.kind == "transfer":
            work[row.protocol]["bytes"] += row.bytes
    return work


def client_values(nodes: Mapping[str, float]) -> list[float]:
    """Return the clients' scores; the one pooled model counts as a client of its own."""
    return [value for node, value in nodes.items() if node.startswith("client_") or node == POOLED]


def mean(values: Sequence[float]) -> float:
    """Return the mean of one or more values; NaN if any of them isn't finite."""
    return math.fsum(values) / len(values) if all(map(math.isfinite, values)) else math.nan


def _least(values: Sequence[float]) -> float:
    # min() would skip over a diverged client's NaN, or not, depending on the order.
    return math.nan if any(map(math.isnan, values)) else min(values)


def _spread(values: Sequence[float]) -> Spread | None:
    if not values:
        return None
    center = mean(values)
    if len(values) == 1:
        return Spread(center, None, 1)
    variance = sum((value - center) ** 2 for value in values) / (len(values) - 1)
    return Spread(center, math.sqrt(variance), len(values))


def json_ready(value: Any) -> Any:
    """Return nested values with None in place of what isn't a finite number."""
    if isinstance(value, dict):
        return {key: json_ready(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [json_ready(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
