"""Frames of one run each, made by hand, of the types that loading gives; `together` joins them."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from analysis.frames import node_names, ordered
from sim.record.rows import STAGES, TraceRow

# Not in the order of the alphabet, as a scenario's need not be.
PROTOCOLS = ("swarm", "fedavg", "local")
POINTS = ("high", "low")
NODES = node_names(12)
LOOK_S = 60.0
DIRECTIONS = {"accuracy": "higher", "loss": "lower"}

Event = dict[str, Any]
"""The columns of a trace row behind protocol and seed."""


def scores(
    values: Mapping[str, Sequence[float]],
    *,
    point: str = "high",
    protocol: str = "swarm",
    seed: int = 0,
    metric: str = "accuracy",
    down: Collection[tuple[str, int]] = (),
    absent: Collection[tuple[str, int]] = (),
    staleness: Mapping[str, Sequence[float]] | None = None,
) -> pd.DataFrame:
    """Each node's scores at 0, 60, 120, ... s; `down`, `absent`: (node, number of the look)."""
    rows = [
        {
            "time_s": LOOK_S * look,
            "node": node,
            "stage": "received",
            "local_round": look,
            "version": look,
            "staleness": (staleness or {}).get(node, series)[look] if staleness else 0.0,
            "metric": metric,
            "value": value,
            "up": (node, look) not in down,
            "member": (node, look) not in absent,
        }
        for node, series in values.items()
        for look, value in enumerate(series)
    ]
    frame = _typed(pd.DataFrame(rows).sort_values("time_s", kind="stable"), point, protocol, seed)
    frame.attrs["directions"] = DIRECTIONS
    return frame


def trace(
    *events: Event, point: str = "high", protocol: str = "swarm", seed: int = 0
) -> pd.DataFrame:
    """What happened in one run."""
    frame = pd.DataFrame(events, columns=TraceRow._fields[2:])
    types: dict[str, Any] = {"time_s": "float64", "duration_s": "float64", "bytes": "int64"}
    types |= dict.fromkeys(("round", "attempt", "asked", "answered", "updates"), "Int64")
    types |= {"factor": "float64", "peers": "object"}
    return _typed(frame.astype(types), point, protocol, seed)


def event(
    time_s: float,
    duration_s: float,
    node: str,
    kind: str,
    peer: str = "",
    size: int = 0,
    **told: Any,
) -> Event:
    """Something that happened; `told`: round, cause and so on."""
    row = TraceRow("", 0, time_s, duration_s, node, kind, peer, size, **told)
    return dict(list(row._asdict().items())[2:])


def train(time_s: float, duration_s: float, node: str) -> Event:
    """A finished local round."""
    return event(time_s, duration_s, node, "train", round=0, attempt=0)


def lost(time_s: float, duration_s: float, node: str, cause: str = "churn") -> Event:
    """A local round that a fault ended."""
    return event(time_s, duration_s, node, "train_lost", round=0, attempt=0, cause=cause)


def sent(
    time_s: float, duration_s: float, node: str, peer: str, size: int, cause: str | None = None
) -> Event:
    """A model that was delivered, or lost by `cause`."""
    kind = "transfer_lost" if cause else "transfer"
    return event(time_s, duration_s, node, kind, peer, size, cause=cause)


def crash(time_s: float, node: str, fault: str = "churn") -> Event:
    """A node goes down."""
    return event(time_s, 0.0, node, "crash", cause=fault)


def recover(time_s: float, node: str, fault: str = "churn") -> Event:
    """A node comes back."""
    return event(time_s, 0.0, node, "recover", cause=fault)


def join(time_s: float, node: str, fault: str = "late") -> Event:
    """A node comes for the first time."""
    return event(time_s, 0.0, node, "join", cause=fault)


def leave(time_s: float, node: str, fault: str = "end") -> Event:
    """A node leaves for good."""
    return event(time_s, 0.0, node, "leave", cause=fault)


def together(*frames: pd.DataFrame) -> pd.DataFrame:
    """The rows of several runs."""
    return pd.concat(frames, ignore_index=True)


def plain(frame: pd.DataFrame, *columns: str) -> list[Any]:
    """The rows of some columns, or of all; the values alone of one that is named."""
    rows = frame[list(columns or frame)].astype(object)
    if len(columns) == 1:
        return list(rows[columns[0]])
    return list(rows.itertuples(index=False, name=None))


def _typed(frame: pd.DataFrame, point: str, protocol: str, seed: int) -> pd.DataFrame:
    run: dict[str, Any] = {
        "point": pd.Categorical([point] * len(frame), dtype=ordered(POINTS)),
        "protocol": pd.Categorical([protocol] * len(frame), dtype=ordered(PROTOCOLS)),
        "seed": np.full(len(frame), seed, dtype=np.int64),
    }
    frame = pd.DataFrame(run).join(frame.reset_index(drop=True))
    for name in ("node", "peer"):
        if name in frame:
            values = frame[name].where(frame[name] != "")
            frame[name] = pd.Categorical(values, dtype=ordered(NODES))
    if "stage" in frame:
        frame["stage"] = pd.Categorical(frame["stage"], dtype=ordered(STAGES))
    for name in ("metric", "kind"):
        if name in frame:
            frame[name] = frame[name].astype("str").astype("category")
    if "cause" in frame:
        frame["cause"] = frame["cause"].astype("category")
    return frame
