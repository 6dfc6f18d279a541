"""Result folders for figures, whose curves are known, and what a figure can be asked about."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis.loading import load
from analysis.results import Results
from sim.record.rows import ScoreRow, TraceRow
from tests.analysis.folders import RATE, Run, described, score, swept, write_run, write_sweep

LOOKS_S = (0.0, 30.0, 60.0)
Scores = Callable[[Run], Mapping[str, Sequence[float]]]
Events = Callable[[Run], Sequence[TraceRow]]


def no_events(run: Run) -> Sequence[TraceRow]:
    """Of a run in which nothing happens."""
    return ()


def linear(run: Run) -> Mapping[str, Sequence[float]]:
    """Two clients; fedavg is 0.2 better, seed 1 is 0.1 better, and client_0 never learns."""
    more = 0.2 * (run[1] == "fedavg") + 0.1 * run[2]
    return {"client_0": [0.0, 0.0, 0.0], "client_1": [0.0, 0.4 + more, 0.6 + more]}


def a_run(
    folder: Path, values: Scores = linear, events: Events = no_events, changes: Sequence[str] = ()
) -> Results:
    """A run of local and fedavg, two seeds, looked at after 0, 30 and 60 s."""
    return load(write_run(folder, described(*changes), _rows(values, events)))


def a_sweep(
    folder: Path,
    *vary: str,
    values: Scores = linear,
    events: Events = no_events,
    protocols: str = "{local: {}, fedavg: {deadline: 1 min}}",
    changes: Sequence[str] = (),
) -> Results:
    """The same over two failure rates, or what else is varied."""
    wanted = swept(*(vary or (f"{RATE}=1 / h,3 / h",)), protocols=protocols, changes=changes)
    return load(write_sweep(folder, wanted, _rows(values, events)))


def _rows(
    values: Scores, events: Events
) -> Callable[[Run], tuple[Sequence[ScoreRow], Sequence[TraceRow]]]:
    def rows(run: Run) -> tuple[Sequence[ScoreRow], Sequence[TraceRow]]:
        nodes = values(run)
        scores = [
            score(run, time_s, node, nodes[node][look], metric=metric)
            for look, time_s in enumerate(LOOKS_S)
            for node in nodes
            for metric in ("accuracy", "accuracy_validation")
        ]
        return scores, events(run)

    return rows


def keys(figure: Figure) -> list[str]:
    """What the figure's legend tells of."""
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def xs(line: Line2D) -> Any:
    """The horizontal places of a line's points."""
    return np.asarray(line.get_xdata(), dtype=np.float64)


def ys(line: Line2D) -> Any:
    """Their heights."""
    return np.asarray(line.get_ydata(), dtype=np.float64)


def drawn(figure: Figure) -> Figure:
    """The figure, after all of it has been laid out and painted, where warnings are errors."""
    figure.draw_without_rendering()
    return figure
