"""What runs cost: the energy that machines drew, and the price of it and of what was sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from analysis.metrics.common import RUN, Floats, check_trace, is_client, runs_of
from analysis.metrics.states import OUTAGE_KINDS, STATE_KINDS, outages, time_by_state
from sim.record.errors import ResultError
from sim.record.rows import CLIENT, POOLED, is_server
from sim.record.units import parse

if TYPE_CHECKING:
    # Settings take long to load, and few results have costs.
    from sim.record.settings import CostsSettings, Power

_JOULES_PER_KWH = 3.6e6

COST_KINDS = tuple(dict.fromkeys((*STATE_KINDS, *OUTAGE_KINDS, "round")))
"""What `costs` needs of a trace."""
COSTS = ("energy_kwh", "cost")
"""The columns of `costs`."""


def costs(trace: pd.DataFrame, scores: pd.DataFrame, settings: Mapping[str, Any]) -> pd.DataFrame:
    """What each run came to, by the prices and powers of its scenario, `settings`.

    `trace`: with the kinds of `COST_KINDS`, and peer, bytes, updates; `scores` tells the nodes and
    the ends.

    A client draws its computing power while it trains or merges, and its idle power while it is up
    and does neither (see `time_by_state`); the pooled machine, what all clients would together. A
    server draws its computing power for its `aggregation_time` of each update that went into a
    model, slowdowns left out, and its idle power else; of standbys those count that the trace
    names. Who is down, has left or hasn't joined draws nothing. Bytes are those of models that
    arrived, each counted once.

    Columns: point, protocol, seed; `energy_kwh`, kilowatt-hours, NaN where the scenario has no
    power; `cost`, in its currency, NaN where it has no price.
    """
    check_trace(trace, scores, COST_KINDS, ["peer", "bytes", "updates"])
    found = runs_of(scores)[RUN]
    if settings.get("costs") is None:
        return found.assign(energy_kwh=np.nan, cost=np.nan)
    priced = _costs(settings["costs"])
    each_s = parse((settings.get("server") or {}).get("aggregation_time", "0 s"), "s", "20 s")
    drawn = [
        _clients(trace, scores, _powers(priced, settings["clients"])),
        _servers(trace, scores, priced.server, each_s),
    ]
    joules = _per_run(found, pd.concat(drawn), "joules")
    received = _per_run(found, trace[trace["kind"] == "transfer"], "bytes")
    price = priced.energy_price * joules + priced.traffic * received
    return found.assign(
        energy_kwh=joules / _JOULES_PER_KWH if priced.draws_power else np.nan,
        cost=price if priced.has_price else np.nan,
    )


def _costs(told: Mapping[str, Any]) -> CostsSettings:
    from pydantic import ValidationError

    from sim.record.settings import CostsSettings

    try:
        return CostsSettings.model_validate(dict(told))
    except ValidationError as error:
        raise ResultError(f"costs: can't be read: {error.errors()[0]['msg']}") from None


def _per_run(runs: pd.DataFrame, rows: pd.DataFrame, column: str) -> Floats:
    """The sum of a column in each of `runs`."""
    sums = rows.groupby(RUN, observed=True)[column].sum().rename("sum").reset_index()
    total: Floats = runs.merge(sums, on=RUN, how="left")["sum"].fillna(0).to_numpy(np.float64)
    return total


def _clients(
    trace: pd.DataFrame, scores: pd.DataFrame, powers: Mapping[str, Power]
) -> pd.DataFrame:
    """Of each client of each run, and of the pooled machine, `joules`."""
    states = time_by_state(trace, scores)
    states = states[is_client(states["node"])]
    watts = [powers[str(name)] for name in states["node"]]
    return _drawn(states, states["computing_s"], states["up_s"], watts)


def _servers(
    trace: pd.DataFrame, scores: pd.DataFrame, power: Power, each_s: float
) -> pd.DataFrame:
    """The same of the servers, those that stood by among them; `each_s`: seconds an update."""
    columns = [*RUN, "node"]
    told = [scores[columns], trace[columns], trace[[*RUN, "peer"]].rename(columns={"peer": "node"})]
    nodes = pd.concat([one.drop_duplicates() for one in told]).dropna().drop_duplicates()
    nodes = nodes[nodes["node"].map(is_server).astype("bool")].merge(runs_of(scores), on=RUN)
    down = outages(trace.assign(cause=""), scores)
    rounds = trace.loc[trace["kind"] == "round", [*columns, "updates"]]
    for name, rows, column in (("down", down, "down_s"), ("updates", rounds, "updates")):
        sums = rows.groupby(columns, observed=True)[column].sum().rename(name).reset_index()
        nodes = nodes.merge(sums, on=columns, how="left")
        nodes[name] = nodes[name].astype("float64").fillna(0.0)
    up_s = nodes["end_s"] - nodes["down"]
    computing_s = (nodes["updates"] * each_s).clip(upper=up_s)
    return _drawn(nodes, computing_s, up_s, [power] * len(nodes))


def _drawn(
    nodes: pd.DataFrame, computing_s: pd.Series, up_s: pd.Series, watts: list[Power]
) -> pd.DataFrame:
    computing_w, idle_w = np.array(watts, dtype=np.float64).reshape(-1, 2).T
    return nodes[RUN].assign(joules=computing_w * computing_s + idle_w * (up_s - computing_s))


def _powers(priced: CostsSettings, clients: Mapping[str, Any]) -> dict[str, Power]:
    """By client what it draws, and of the pooled machine the sum."""
    from sim.record.settings import Power, shared_out

    groups: Mapping[str, Mapping[str, Any]] = clients.get("groups", {})
    named = [group.get("nodes", ()) for group in groups.values()]
    counts = [group.get("count", 0) for group in groups.values()]
    owner = shared_out(named, counts, clients["count"])
    each = [priced.of_group(None if one is None else list(groups)[one]) for one in owner]
    powers = {f"{CLIENT}{number}": power for number, power in enumerate(each)}
    powers[POOLED] = Power(*np.array(each, dtype=np.float64).sum(axis=0).tolist())
    return powers
