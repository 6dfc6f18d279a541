"""A sweep of 500 runs of which nothing was simulated: its tables are drawn at random."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from sim.record import tables
from sim.record.folder import POINTS_FILE, RUNS_FOLDER, SCENARIO_FILE, SWEEP_FILE, write_record
from sim.record.rows import RunRecord, ScoreRow, TraceRow
from sim.results import folder as results
from sim.scenario import dump, dump_sweep, folder_record, grid

CLIENTS, LOOKS, EVENTS = 10, 31, 3_000
"""Per run: those of half an hour in which the observer looks every minute."""
PROTOCOLS, SEEDS, POINTS = ("braintorrent", "fedavg"), 10, 25


def texts(names: Sequence[str], codes: npt.NDArray[Any]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), pa.array(names))


def constant(value: str, rows: int) -> pa.DictionaryArray:
    return texts([value], np.zeros(rows, dtype=np.int32))


def scores(protocol: str, seed: int) -> pa.Table:
    """Two metrics of the clients, the server and the aggregate at each look."""
    names = [*(f"client_{number}" for number in range(CLIENTS)), "server", "aggregate"]
    time_s, node, metric = (
        axis.ravel() for axis in np.meshgrid(range(LOOKS), range(len(names)), [0, 1], indexing="ij")
    )
    values = np.random.default_rng(seed).random(len(node))
    columns = [
        constant(protocol, len(node)),
        np.full(len(node), seed),
        60.0 * time_s,
        texts(names, node),
        constant("received", len(node)),
        time_s,
        time_s,
        values,
        texts(["accuracy", "loss"], metric),
        values,
        values > 0.1,
        values >= 0,
    ]
    return pa.Table.from_arrays(list(map(pa.array, columns)), schema=tables.schema_of(ScoreRow))


def traces(protocol: str, seed: int) -> pa.Table:
    names = ["", *(f"client_{number}" for number in range(CLIENTS)), "server"]
    kinds = ["train", "train_lost", "ping", "transfer", "transfer_lost", "merge"]
    draws = np.random.default_rng(seed)
    nothing, numbers = pa.nulls(EVENTS), np.arange(EVENTS)
    columns = [
        constant(protocol, EVENTS),
        np.full(EVENTS, seed),
        np.sort(1800.0 * draws.random(EVENTS)),
        draws.random(EVENTS),
        texts(names, draws.integers(1, len(names), EVENTS)),
        texts(kinds, draws.integers(0, len(kinds), EVENTS)),
        texts(names, draws.integers(0, len(names), EVENTS)),
        draws.integers(0, 20_000, EVENTS),
        *(numbers, numbers),
    ]
    schema = tables.schema_of(TraceRow)
    columns += [nothing.cast(one.type) for one in list(schema)[len(columns) :]]
    return pa.Table.from_arrays(list(map(pa.array, columns)), schema=schema)


def synthesised(folder: Path) -> Path:
    """Write it to an empty folder."""
    rates = ",".join(f"{number} / h" for number in range(POINTS))
    sweep = grid(
        "churn",
        vary=[f"faults.churn.failure_rate={rates}"],
        seeds=SEEDS,
        protocols=PROTOCOLS,
    )
    results.claim(folder, SWEEP_FILE, dump_sweep(sweep))
    write_record(folder / POINTS_FILE, folder_record(sweep).as_dict() | {"finished": False})
    for point in sweep.points:
        place = folder / RUNS_FOLDER / point.name
        results.claim(place, SCENARIO_FILE, dump(point.scenario))
        runs = [
            results.RunTables(
                RunRecord(protocol, seed, 1800.0, 1, {"local_rounds": 1}),
                scores(protocol, seed),
                traces(protocol, seed),
            )
            for protocol in PROTOCOLS
            for seed in range(SEEDS)
        ]
        results.write(place, point.scenario, runs, wall_s=1.0, workers=0)
    return folder
