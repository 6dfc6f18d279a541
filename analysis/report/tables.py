"""The page's tables: what each protocol came to at each point, and the scenario's settings."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from analysis.canvas.choices import stages_of
from analysis.canvas.scale import path_name, size_scale
from analysis.comparison import (
    BYTES,
    EPOCHS,
    NONE,
    TIME,
    TWO,
    Arrival,
    Comparison,
    Contrast,
    Key,
    chance_text,
    cost_text,
    count_text,
    difference_text,
    holding,
    is_known,
    median_text,
    over_text,
    score_text,
    share_text,
    shown_contrasts,
    without_bytes,
)
from analysis.disturbances import struck_text
from analysis.files import flat
from analysis.metrics.common import POINT_AND_PROTOCOL
from analysis.metrics.presence import NEAR
from analysis.metrics.stages import GLOBAL
from analysis.results import Results
from analysis.tuning import END_NOTE, chosen_texts
from sim.record.metrics import is_rising
from sim.record.points import tails
from sim.record.units import quantity
from sim.record.words import amount_text, bytes_text

_SCORES = {
    **{"own_site": "own site", "mean_trained": "mean client, as trained"},
    **{"own_site_trained": "own site, as trained", "worst": "worst client"},
    **{"aggregate": "aggregate", "server": "server"},
}
"""Scores that stand beside the mean client's, and what they are called."""
_CONTRASTED = {
    **{"mean": "mean client, as received", "own_site": "own site, as received"},
    **{"mean_trained": "mean client, as trained", "own_site_trained": "own site, as trained"},
    **{GLOBAL: "global model"},
}
"""Scores of which differences are shown, and what they are called."""
_WORK: dict[str, tuple[str, Callable[[float], str]]] = {
    "local rounds": ("local_rounds", count_text),
    "rounds lost": ("local_rounds_lost", count_text),
    "lost work": ("lost_share", share_text),
    "received": ("bytes_received", bytes_text),
    "computing": ("computing", share_text),
    "sending, receiving": ("communicating", share_text),
    "waiting": ("waiting", share_text),
    "down": ("down", share_text),
}
"""Columns of the work, by what they are called, and how each is written."""

_COSTS = {"energy, kWh": "energy_kwh", "cost": "cost"}
"""Columns of what runs cost, where the scenario says, by what they are called."""

_Cell = Callable[[Key], str]


@dataclass(frozen=True)
class Table:
    """Texts in rows; the first `heads` cells of each say what it is about."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    heads: int


def tables_of(results: Results, found: Comparison) -> dict[str, Table]:
    """The `scores` of each point and protocol, the `differences` to the baseline if there is one,
    and the `work` behind them.
    """
    differences = {"differences": _differences(results, found)} if found.contrasts else {}
    return {"scores": table(results, found), **differences, "work": _work(results, found)}


def table(results: Results, found: Comparison) -> Table:
    """The scores: a row for each point and protocol that has a finished run."""
    expected = results.runs.groupby(POINT_AND_PROTOCOL, observed=True).size()
    done = found.means[found.headline]
    columns: dict[str, _Cell] = {
        "seeds": lambda key: f"{done[key].count + done[key].left_out} of {expected[key]}",
        "mean client": lambda key: score_text(done[key]),
    }
    if found.baseline:
        kept = holding(shown_contrasts(results, found))
        columns[f"minus {found.baseline}'s"] = lambda key: _difference(results, found, kept, key)
    for name, head in _SCORES.items():
        if name != found.headline and any(one.count for one in found.means[name].values()):
            columns[head] = partial(_score, found, name)
    what = f"{results.metric.capitalize()} at the end, models as {stages_of(results)[0]}"
    return _filled(results, found, f"{what}, {over_text(results)}", columns)


def _work(results: Results, found: Comparison) -> Table:
    columns: dict[str, _Cell] = {}
    if any(one is not None for one in results.targets.values()):
        columns["time to target"] = lambda key: _arrival_text(found.arrivals.get(key))
    columns |= {head: partial(_amount_of, found, *work) for head, work in _WORK.items()}
    columns |= {
        head: partial(_cost, found, name) for head, name in _COSTS.items() if is_known(found, name)
    }
    if found.newcomers:
        columns["caught up"] = lambda key: _arrival_text(found.newcomers.get(key))
    caption = "Work behind it, means over seeds"
    if results.chosen_values is not None:
        for tail, path in zip(tails(results.tune), results.tune, strict=True):
            columns[f"tuned {tail}"] = partial(_chosen, chosen_texts(results, path))
        caption += f"; tuned: the value that was best on validation data, {END_NOTE}"
    if not results.paths and (struck := struck_text(results, str(results.points["point"].iloc[0]))):
        caption += f"; struck: {struck}"
    return _filled(results, found, caption, columns)


def _filled(
    results: Results, found: Comparison, caption: str, columns: Mapping[str, _Cell]
) -> Table:
    """A row for each point and protocol that has a finished run."""
    written = results.written.set_index("point")
    heads = (*map(path_name, results.paths), "protocol")
    rows = [
        (*map(str, written.loc[key[0]]), key[1], *(cell(key) for cell in columns.values()))
        for key in found.means[found.headline]
    ]
    return Table(caption, (*heads, *columns), tuple(rows), len(heads))


def _score(found: Comparison, name: str, key: Key) -> str:
    return score_text(found.means[name][key])


def _cost(found: Comparison, name: str, key: Key) -> str:
    return cost_text(found.means[name][key])


def _chosen(texts: Mapping[Key, str], key: Key) -> str:
    return texts.get(key, NONE)


def _amount_of(found: Comparison, name: str, text: Callable[[float], str], key: Key) -> str:
    return text(found.means[name][key].mean)


def _differences(results: Results, found: Comparison) -> Table:
    """A row for each point, protocol and what is made equal; marked is what holds beside all."""
    shown = shown_contrasts(results, found)
    kept = holding(shown)
    known = [name for name in _CONTRASTED if any(one.score == name for one in shown)]
    written = results.written.set_index("point")
    equals, rows = {TIME: "time", EPOCHS: found.effort, BYTES: "bytes"}, []
    present = {one[:3] for one in shown}
    lines = [(*key, equal) for key in found.means[found.headline] for equal in equals]
    for point, protocol, equal in (line for line in lines if line in present):
        cells = []
        for name in known:
            contrast = Contrast(point, protocol, equal, name)
            text = difference_text(shown[contrast]) if contrast in shown else NONE
            cells.append(text + "*" * (contrast in kept))
        rows.append((*map(str, written.loc[point]), protocol, equals[equal], *cells))
    heads = (*map(path_name, results.paths), "protocol", "at equal")
    over = ", mean of two seeds" if len(results.seeds) == TWO else ""
    caption = f"{results.metric.capitalize()} minus {found.baseline}'s, paired by seed{over}"
    lacking = ", ".join(without_bytes(results, found))
    since = "since it or the other had received nothing, or learned nothing"
    why = lacking and f"no row at equal bytes of {lacking}, {since}"
    columns = (*heads, *(_CONTRASTED[name] for name in known))
    told = "; ".join(filter(None, (caption, chance_text(shown), why)))
    return Table(told, columns, tuple(rows), len(heads))


_NEEDS_BASELINE = ("better, worse", "at equal", "global model")
_NEEDS_COSTS = "energy, cost"
_NEEDS_NEWCOMERS = "caught up"
_WORDS = {
    "mean client": "the mean over clients, of those who are there then, of the score of each one's "
    "model on the held-out data",
    "aggregate": "the score of one model, the average of all clients' models as trained, weighted "
    "by how much data each has",
    "local rounds": "finished trainings of one client on its own data, those of all clients",
    "rounds lost": "trainings that a crash or a dropout ended",
    "lost work": "their share of all training time",
    "received": "the bytes of models that arrived, at all nodes",
    "time to target": "when half of the seeds were there, and how many ever got there",
    "caught up": "when half of the clients that joined, of all seeds, were no further below the "
    f"mean score of who was there before them than {100 * NEAR:g} % of it, and how many ever were",
    "better, worse": "the difference holds after Holm's correction over all differences of the "
    "next table; one without such a word cannot be told from zero with these seeds, which is not "
    "to say that it is zero. Differences are of pairs under the same seed, which met the same "
    "failures",
    "at equal": "each protocol at its last look not after the least of all, in virtual time, in "
    "local epochs per client (steps or rounds where it says so), or in bytes received by all nodes",
    "global model": "the server's, or the aggregate where there is no server",
    "energy, cost": "of all machines, by the powers and prices that the scenario sets",
    "computing, sending, waiting, down": "shares of the time of the clients that are scored; who "
    "waits is up and does neither",
    "as received, as trained": "two models of one client: the newest that came from others, before "
    "its own training, and what that training made of it; scores are of those as received unless "
    "their heading says otherwise",
    "own site": "a client's score on held-out data of its own site, or its own mix of classes; it "
    "is a metric of its own (--metric)",
}


def words(found: Comparison) -> tuple[tuple[str, str], ...]:
    """The comparison's words with what they mean; of differences, costs and newcomers if any."""
    hidden = () if found.baseline else _NEEDS_BASELINE
    if not any(is_known(found, name) for name in _COSTS.values()):
        hidden = (*hidden, _NEEDS_COSTS)
    if not found.newcomers:
        hidden = (*hidden, _NEEDS_NEWCOMERS)
    return tuple((name, text) for name, text in _WORDS.items() if name not in hidden)


def _difference(results: Results, found: Comparison, kept: Collection[Contrast], here: Key) -> str:
    if here not in found.differences:
        return NONE
    one = found.differences[here]
    if Contrast(*here, TIME, found.headline) not in kept:
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
        return ", ".join(map(_member, value)) or "none"
    if value is None or value == {}:
        return "none"
    return json.dumps(value, ensure_ascii=False)


def _member(value: Any) -> str:
    """A list within a list stays one: who fails together, or is cut off together."""
    is_list = isinstance(value, Sequence) and not isinstance(value, str)
    return f"[{readable(value)}]" if is_list else readable(value)


def _amount(amount: float, kind: str) -> str:
    if kind == "B/s":
        bits = amount * 8
        return f"{bits * 1e-9:g} Gbit/s" if bits >= 1e9 else f"{bits * 1e-6:g} Mbit/s"
    if kind == "1/s":
        return f"{amount * _HOUR_S:g} per hour"
    if kind == "B":
        scale = size_scale(amount)
        return f"{amount * scale.factor:g} {scale.unit}"
    if kind != "s":
        return amount_text(amount, kind)
    for size, unit in ((_HOUR_S, "h"), (_MINUTE_S, "min"), (1.0, "s")):
        if amount >= size and (amount / size).is_integer():
            return f"{amount / size:g} {unit}"
    return f"{amount:g} s" if amount >= 1 or amount == 0 else f"{amount * 1000:g} ms"
