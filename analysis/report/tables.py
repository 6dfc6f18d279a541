"""The page's tables: what each protocol came to at each point, and the scenario's settings."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from analysis.comparison import (
    NONE,
    Arrival,
    Comparison,
    Key,
    count_text,
    difference_text,
    is_told,
    median_text,
    score_text,
    share_text,
)
from analysis.figures.choices import stages_of
from analysis.figures.scale import path_name, size_scale
from analysis.files import flat
from analysis.metrics.common import POINT_AND_PROTOCOL
from analysis.results import Results
from sim.record.metrics import is_rising
from sim.record.units import quantity
from sim.record.words import bytes_text

_SCORES = ("mean", "worst", "aggregate")
_WORK = {
    **{"local_rounds": count_text, "local_rounds_lost": count_text},
    **{"lost_share": share_text, "bytes_received": bytes_text},
}
"""Columns of a comparison's work, and how each is written."""
_SHARES = {
    "computing": "train",
    "communicating": "send, receive",
    "waiting": "wait",
    "down": "down",
}
"""Columns of a comparison's shares of time, and what they are called."""
_HEADS = ("worst client", "aggregate", "time to target")
_WORK_HEADS = ("local rounds", "rounds lost", "lost work", "received")
_EQUAL = {TIME: "time", ROUNDS: "local rounds", BYTES: "bytes"}
_CONTRASTED = {
    **{"mean": "mean client, as received", "mean_trained": "mean client, as trained"},
    **{"own_site": "own site, as received", "own_site_trained": "own site, as trained"},
    **{GLOBAL: "global model"},
}
"""Scores of which differences are shown, and what they are called."""


@dataclass(frozen=True)
class Table:
    """Texts in rows; the first `heads` cells of each say what it is about."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    heads: int


def table(results: Results, found: Comparison) -> Table:
    """A row for each point and protocol that has a finished run."""
    written = results.written.set_index("point")
    expected = results.runs.groupby(POINT_AND_PROTOCOL, observed=True).size()
    rows = []
    for here in found.means["mean"]:
        mean, *others = (score_text(found.means[name][here]) for name in _SCORES)
        done = found.means["mean"][here]
        rows.append(
            (
                *(str(text) for text in written.loc[here[0]]),
                here[1],
                f"{done.count + done.left_out} of {expected[here]}",
                mean,
                *([_difference(results, found, here)] if found.baseline else []),
                *others,
                _arrival_text(found.arrivals.get(here)),
                *(text(found.means[name][here].mean) for name, text in _WORK.items()),
            )
        )
    heads = (*map(path_name, results.paths), "protocol")
    more = (f"minus {found.baseline}'s",) if found.baseline else ()
    return Table(
        caption=f"{results.metric.capitalize()} at the end, models as {stages_of(results)[0]}, "
        "means over seeds ± 95 % interval",
        columns=(*heads, "seeds", "mean client", *more, *_HEADS),
        rows=tuple(rows),
        heads=len(heads),
    )


_WORDS = {
    "mean client": "the mean over clients of the score of each one's model on the held-out data",
    "aggregate": "the score of one model, the average of all clients' models as trained, weighted "
    "by how much data each has",
    "local rounds": "finished trainings of one client on its own data, those of all clients",
    "rounds lost": "trainings that a crash or a dropout ended",
    "lost work": "their share of all training time",
    "received": "the bytes of models that arrived, at all nodes",
    "time to target": "when half of the seeds were there, and how many ever got there",
    "better, worse": "the 95 % interval of the difference leaves out zero; a difference without "
    "such a word cannot be told from zero with these seeds, which is not to say that it is zero. "
    "Differences are of pairs under the same seed, which met the same failures",
    "as received, as trained": "two models of one client: the newest that came from others, before "
    "its own training, and what that training made of it; the table is about those as received",
    "own site": "a client's score on held-out data of its own site, or its own mix of classes; it "
    "is a metric of its own (--metric)",
}


def words(found: Comparison) -> tuple[tuple[str, str], ...]:
    """The comparison's words with what they mean; those about differences if there are any."""
    shown = {name: text for name, text in _WORDS.items() if found.baseline or "better" not in name}
    return tuple(shown.items())


def _difference(results: Results, found: Comparison, here: Key) -> str:
    if here not in found.differences:
        return NONE
    one = found.differences[here]
    if not is_told(one):
        return difference_text(one)
    is_better = (one.mean > 0) == is_rising(results.metric, results.directions)
    return f"{difference_text(one)} ({'better' if is_better else 'worse'})"


def _arrival_text(arrival: Arrival | None) -> str:
    """The median time to the target, and how many runs got there."""
    if arrival is None:
        return NONE
    return f"{median_text(arrival.median_s)} ({arrival.reached} of {arrival.count})"


_LEFT_OUT = ("name", "question")
_PLAIN = "run"
"""Where the settings stand that are in no part."""
_HOUR_S, _MINUTE_S = 3600.0, 60.0


def settings_tables(results: Results) -> tuple[Table, ...]:
    """A table for each part of the scenario, a row for each setting; what is varied says so.

    A row's name is the path within the part, so that both together are what `--set` takes.
    """
    settings = {name: part for name, part in results.settings.items() if name not in _LEFT_OUT}
    rows = {path: readable(value) for path, value in flat(settings)}
    for path in results.paths:
        values = dict.fromkeys(str(text) for text in results.written[path])
        rows[path] = f"varied: {', '.join(values)}"
    parts: dict[str, list[tuple[str, str]]] = {}
    for path, text in rows.items():
        part, _, name = path.partition(".")
        parts.setdefault(part if name else _PLAIN, []).append((name or part, text))
    columns = ("setting", "value")
    return tuple(Table(part, columns, tuple(own), 1) for part, own in parts.items())


def readable(value: Any) -> str:
    """A setting's value as a person would write it; a quantity of a stored scenario included."""
    if isinstance(value, str):
        found = quantity(value)
        return value if found is None else _amount(*found)
    if isinstance(value, Sequence):
        return ", ".join(readable(one) for one in value) or "none"
    if value is None or value == {}:
        return "none"
    return json.dumps(value, ensure_ascii=False)


def _amount(amount: float, kind: str) -> str:
    if kind == "B/s":
        bits = amount * 8
        return f"{bits * 1e-9:g} Gbit/s" if bits >= 1e9 else f"{bits * 1e-6:g} Mbit/s"
    if kind == "1/s":
        return f"{amount * _HOUR_S:g} per hour"
    if kind == "B":
        scale = size_scale(amount)
        return f"{amount * scale.factor:g} {scale.unit}"
    for size, unit in ((_HOUR_S, "h"), (_MINUTE_S, "min"), (1.0, "s")):
        if amount >= size and (amount / size).is_integer():
            return f"{amount / size:g} {unit}"
    return f"{amount:g} s" if amount >= 1 or amount == 0 else f"{amount * 1000:g} ms"
