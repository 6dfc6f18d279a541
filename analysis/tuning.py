"""A sweep of which some settings are tuned: each protocol gets its best value, on equal terms.

For each protocol, seed and combination of the other settings that value counts whose run ended best
on validation data, which no test score ever sees. The grid is the same for all, so is the number of
trials; a run of which a trial is missing has no best value, and is missing itself.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
from pandas.api.types import is_numeric_dtype

from analysis.frames import ordered
from analysis.metrics import LOOK, final, score_curves, score_name
from analysis.metrics.common import sign, told_alike
from analysis.results import Part, Results
from sim.record.metrics import validation_metric
from sim.record.points import point_names
from sim.record.rows import FINISHED, MISSING, RECEIVED, TRAINED

END_NOTE = "end: the grid's smallest or largest value, beyond which there may be a better one"
_RUN = ["protocol", "seed"]
_COLUMNS = [*LOOK, "node", "stage", "value", "up", "member"]


def tuned(results: Results) -> Results:
    """The results as if each run had been made with its best values alone; see this module.

    Its points are the combinations of the settings that aren't tuned, in their order; of results
    that tune nothing, and of those that are tuned already, they are as they were. The score is the
    target's, else the mean client's. Raises ResultError if there are no scores of validation data.
    """
    if not set(results.tune) & set(results.paths):
        return results
    others = tuple(path for path in results.paths if path not in results.tune)
    written = results.written[list(others)].astype("str")
    texts = list(written.itertuples(index=False, name=None)) if others else [()] * len(written)
    combinations = list(dict.fromkeys(texts))
    names = dict(zip(combinations, point_names(others, combinations), strict=True))
    new = {
        str(point): names[text] for point, text in zip(results.points["point"], texts, strict=True)
    }
    firsts = {name: point for point, name in reversed(new.items())}
    firsts = {name: firsts[name] for name in names.values()}
    kind = ordered(firsts)
    runs = _runs(results, new, kind)
    points = results.points["point"].astype("str").isin(firsts.values())

    def reduced(frame: pd.DataFrame) -> pd.DataFrame:
        kept = frame.loc[points.to_numpy(), ["point", *others]].reset_index(drop=True)
        return kept.assign(point=pd.Categorical(list(firsts), dtype=kind))

    chosen = runs.loc[runs["status"] == FINISHED, ["point", *_RUN, "source"]]
    values = results.written.set_index("point").loc[chosen["source"], list(results.tune)]
    return replace(
        results,
        paths=others,
        points=reduced(results.points),
        written=reduced(results.written),
        conditions=results.conditions.loc[list(firsts.values())].set_axis(
            pd.Index(list(firsts), name="point")
        ),
        crash_nodes={name: results.crash_nodes[point] for name, point in firsts.items()},
        targets={name: results.targets[point] for name, point in firsts.items()},
        runs=runs.drop(columns=["source", *results.tune]),
        # A trial that nobody has chosen needs no caution.
        cautions=tuple(
            {**one, "point": new[one["point"]]}
            for one in results.cautions
            if (chosen["source"] == one["point"]).any()
        ),
        chosen_values=chosen[["point", *_RUN]]
        .reset_index(drop=True)
        .join(values.reset_index(drop=True)),
        grid_ends={path: _ends(results, path) for path in results.tune},
        _folders={name: results.folder_at(point) for name, point in firsts.items()},
        _parts=_parts(results, chosen),
        _types={**results._types, "point": kind},
    )


def chosen_texts(results: Results, path: str) -> dict[tuple[str, str], str]:
    """Of a tuned view, by point and protocol the value that most seeds chose, and how many."""
    chosen = results.chosen_values
    if chosen is None:
        return {}
    values: dict[tuple[str, str], list[str]] = {}
    rows = chosen[["point", "protocol", path]].astype("str").itertuples(index=False, name=None)
    for point, protocol, value in rows:
        values.setdefault((point, protocol), []).append(value)
    return {key: _chosen_text(own, results.grid_ends[path]) for key, own in values.items()}


def _chosen_text(values: Sequence[str], ends: Collection[str]) -> str:
    most = max(dict.fromkeys(values), key=values.count)
    return f"{most} ({values.count(most)} of {len(values)})" + ", end" * (most in ends)


def _ends(results: Results, path: str) -> frozenset[str]:
    values = results.points[path]
    if not is_numeric_dtype(values):
        return frozenset()
    at_ends = values.isin([values.min(), values.max()]).to_numpy()
    return frozenset(results.written.loc[at_ends, path].astype("str"))


def _runs(results: Results, new: Mapping[str, str], kind: pd.CategoricalDtype) -> pd.DataFrame:
    """`Results.runs` of the tuned points, and `source`, the point whose run each of them is."""
    scores = pd.concat([_judged(results, str(point)) for point in results.points["point"]])
    rows = results.runs.assign(source=results.runs["point"].astype("str"))
    rows = rows.astype({"protocol": "str"}).merge(scores, "left", ["source", *_RUN])
    rows["point"] = pd.Categorical(rows["source"].map(new), dtype=kind)
    rows["protocol"] = rows["protocol"].astype(results.runs["protocol"].dtype)
    # A run that diverged is the worst choice, and of equal ones the first counts.
    rows["score"] = rows["score"].fillna(-math.inf)
    rows["left"] = rows["status"] != FINISHED
    groups = rows.groupby(["point", *_RUN], observed=True)
    best = rows.loc[groups["score"].idxmax()].copy()
    left, trials = groups["left"].sum(), groups.size()
    unfinished = left.to_numpy() > 0
    best.loc[unfinished, "status"] = MISSING
    best.loc[unfinished, "cause"] = [
        f"{of} of {count} trials of {', '.join(results.tune)} are not finished"
        for of, count in zip(left[left > 0], trials[left > 0], strict=True)
    ]
    place = {seed: at for at, seed in enumerate(results.seeds)}
    best = best.assign(at=best["seed"].map(place)).sort_values(["point", "protocol", "at"])
    return best.drop(columns=["score", "left", "at"]).reset_index(drop=True)


def _judged(results: Results, point: str) -> pd.DataFrame:
    """`source`, protocol, seed and the last `score` of each finished run; more is better."""
    target = results.targets[point]
    metric = validation_metric(target.metric if target else results.metric)
    scores = results.scores(points=point, stage=None, metric=metric, columns=_COLUMNS)
    if scores.empty:
        return pd.DataFrame({"source": [], "protocol": [], "seed": [], "score": []}).astype(
            {"source": "str", "protocol": "str", "seed": "int64", "score": "float64"}
        )
    ends = final(score_curves(scores, metric))
    stage = RECEIVED if ends["mean"].notna().any() else TRAINED
    name = score_name(target.of, target.stage) if target else score_name("mean", stage)
    better = ends[name] * sign(told_alike(ends, scores))
    found = ends[_RUN].astype({"protocol": "str"}).assign(source=point, score=better)
    return found[["source", *_RUN, "score"]]


def _parts(results: Results, chosen: pd.DataFrame) -> dict[str, tuple[Part, ...]]:
    """By tuned point the folders whose runs were chosen."""
    rows = chosen.astype({"point": "str", "protocol": "str"}).assign(place=range(len(chosen)))
    return {
        str(point): tuple(_of_sources(results, group)) for point, group in rows.groupby("point")
    }


def _of_sources(results: Results, rows: pd.DataFrame) -> Iterator[Part]:
    for source, own in rows.groupby("source"):
        runs: dict[int, Any] = {
            int(place): (protocol, int(seed))
            for place, protocol, seed in own[["place", *_RUN]].itertuples(index=False, name=None)
        }
        for part in results._parts[str(source)]:
            yield replace(part, runs=runs)
