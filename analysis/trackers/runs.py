"""What every tracker is told about a run: its settings and its scores over virtual time."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis.files import flat
from analysis.metrics import over_clients
from analysis.results import Results
from sim.record.rows import AGGREGATE, FINISHED, SERVER, STAGES

Value = str | int | float | bool
_OF_CLIENTS = {"mean": "mean_client", "worst": "worst_client"}


@dataclass(frozen=True)
class TrackedRun:
    """One finished run; `point` is empty where there is only one."""

    point: str
    protocol: str
    seed: int
    virtual_s: float
    folder: Path
    """The result folder that holds it, and others of the same point."""
    settings: Mapping[str, Value]
    """By path, of this run alone: without the other protocols, and without the list of seeds."""
    curves: pd.DataFrame
    """`time_s`, `name` (`accuracy/mean_client`) and `value`, sorted by time."""

    @property
    def tags(self) -> dict[str, str]:
        """What tells it from the others."""
        found = {"protocol": self.protocol, "seed": str(self.seed)}
        return found | {"point": self.point} if self.point else found

    @property
    def parts(self) -> tuple[str, ...]:
        """The same, one inside the other."""
        return tuple(filter(None, (self.point, self.protocol, f"seed_{self.seed}")))

    @property
    def name(self) -> str:
        """The same, to be read."""
        return "/".join(self.parts)


def tracked_runs(results: Results) -> Iterator[TrackedRun]:
    """The finished runs in the scenario's order; each point's tables are read when it is reached.

    Raises ResultError if a table can't be read.
    """
    finished = results.runs[results.runs["status"] == FINISHED]
    for point, runs in finished.groupby("point", observed=True):
        curves = dict(iter(_curves(results, str(point)).groupby(["protocol", "seed"])))
        shown = str(point) if results.is_sweep else ""
        place = results.folder_at(str(point))
        for protocol, seed, virtual_s in runs[["protocol", "seed", "virtual_s"]].itertuples(
            index=False, name=None
        ):
            settings = _own_settings(results, str(point), protocol)
            own = curves[protocol, seed][["time_s", "name", "value"]]
            yield TrackedRun(shown, protocol, seed, virtual_s, place, settings, own)


def _curves(results: Results, point: str) -> pd.DataFrame:
    """protocol, seed, time_s, name, value: the clients' mean and worst at each stage, as in
    `accuracy/mean_client_received`, and the two models.
    """
    scores = results.scores(points=point, stage=None)
    keys = ["protocol", "seed", "time_s", "metric"]
    # A reference's clients have no stage, and no ending.
    of_stages = {f"_{stage}": scores[scores["stage"] == stage] for stage in STAGES}
    of_stages[""] = scores[scores["stage"].isna()]
    parts = [
        over_clients(few).melt(keys, list(_OF_CLIENTS), var_name="of").assign(ending=ending)
        for ending, few in of_stages.items()
        if len(few)
    ]
    clients = pd.concat(parts, ignore_index=True)
    clients["of"] = clients["of"].map(_OF_CLIENTS) + clients.pop("ending")
    models = scores.loc[scores["node"].isin([AGGREGATE, SERVER]), [*keys, "node", "value"]]
    models = models.rename(columns={"node": "of"}).astype({"of": "str"})
    found = pd.concat([clients, models], ignore_index=True)
    found["name"] = found["metric"].astype("str") + "/" + found["of"].astype("str")
    found["protocol"] = found["protocol"].astype("str")
    return found.sort_values(["time_s", "name"], kind="stable", ignore_index=True)


def _own_settings(results: Results, point: str, protocol: str) -> dict[str, Value]:
    """By path; what is varied is as the user wrote it, where it is text."""
    settings = results.settings_at(point)
    own = {name: part for name, part in settings.items() if name != "seeds"}
    own["protocols"] = {protocol: settings["protocols"][protocol]}
    found: dict[str, Value] = {
        path: value if isinstance(value, Value) else json.dumps(value) for path, value in flat(own)
    }
    row = results.written[results.written["point"] == point].iloc[0]
    varied = [path for path in results.paths if isinstance(found.get(path), str)]
    return found | {path: row[path] for path in varied}
