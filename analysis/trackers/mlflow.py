"""Runs in an MLflow store: by default a database beside the results, else MLFLOW_TRACKING_URI.

The database is SQLite: MLflow's file store is in maintenance mode, and refuses to work unless it is
told to.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import posixpath
import re
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from analysis.results import Results
from analysis.trackers.runs import TrackedRun, tracked_runs
from sim.record.errors import ResultError
from sim.record.folder import RUN_FILE, SCENARIO_FILE, SCORES_FILE, TRACE_FILE, read_record

if TYPE_CHECKING:
    from mlflow import MlflowClient

FOLDER = "mlruns"
DATABASE = "mlflow.db"
URI_VARIABLE = "MLFLOW_TRACKING_URI"
IDENTITY = "braintorrent.run"
"""The tag that names a run: a digest of its scenario or sweep, point, protocol and seed."""
RESULTS = "braintorrent.results"
"""The tag that tells whether it was logged from the same tables: their digest."""
_AT_ONCE = {"metrics": 1000, "params": 100}
"""How many of each MLflow takes in one request."""
_MILLISECONDS = 1000
_NO_KEY = re.compile(r"[^/\w.\- :]")
_LONGEST_KEY = 200


def log(results: Results) -> str:
    """Log each finished run that is not there yet; returns the store's address.

    A run that was logged from other tables, or not to the end, is replaced. Raises ResultError if
    the store can't be reached or written to.
    """
    # What is measured here is nobody's business but the user's; who wants to tell may say so.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    # It would tell in two lines that it makes its tables.
    logging.getLogger("mlflow.store.db").setLevel(logging.WARNING)
    address = os.environ.get(URI_VARIABLE, "")
    try:
        address = address or _local(results.folder)
        client = MlflowClient(tracking_uri=address)
        experiment = _experiment(client, results)
        for run in tracked_runs(results):
            _log_once(client, experiment, results, run)
    except (MlflowException, SQLAlchemyError, OSError) as error:
        where, what = _shown(address) or FOLDER, _shown(" ".join(str(error).split()))
        raise ResultError(
            f"--track mlflow: cannot log to {where}: {what}; the results are kept"
        ) from None
    return _shown(address)


def _local(folder: Path) -> str:
    """The address of the database beside the results, for which there is a folder then."""
    place = (folder / FOLDER).resolve()
    # An address would take them for something else, and MLflow for something else again.
    if any(mark in str(place) for mark in "%?#"):
        raise ResultError(
            f"--track mlflow: {place}: has one of % ? # in its name; allowed: results elsewhere, "
            f"or a store of your own ({URI_VARIABLE})"
        )
    place.mkdir(exist_ok=True)
    return f"sqlite:///{place / DATABASE}"


def _shown(text: str) -> str:
    """The text without the names and passwords that addresses in it may hold."""
    return re.sub(r"//[^/@\s]*@", "//", text)


def _experiment(client: MlflowClient, results: Results) -> str:
    name = f"{results.name}_sweep" if results.is_sweep else results.name
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    if os.environ.get(URI_VARIABLE):
        return str(client.create_experiment(name))
    place = (results.folder / FOLDER / "artifacts").resolve()
    return str(client.create_experiment(name, artifact_location=place.as_uri()))


def _log_once(client: MlflowClient, experiment: str, results: Results, run: TrackedRun) -> None:
    identity, tables = _identity(results, run), _tables(run.folder)
    found = client.search_runs([experiment], f"tags.`{IDENTITY}` = '{identity}'")
    same = [
        old.info.run_id
        for old in found
        if old.info.status == "FINISHED" and old.data.tags.get(RESULTS) == tables
    ]
    for old in found:
        if old.info.run_id not in same[:1]:
            client.delete_run(old.info.run_id)
    if not same:
        _log(client, experiment, results, run, {IDENTITY: identity, RESULTS: tables})


def _identity(results: Results, run: TrackedRun) -> str:
    return _digest(results.source.read_bytes(), run.name.encode())


def _tables(folder: Path) -> str:
    record = read_record(folder / RUN_FILE) or {}
    return _digest(json.dumps(record.get("sha256"), sort_keys=True).encode())


def _digest(*parts: bytes) -> str:
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _log(
    client: MlflowClient,
    experiment: str,
    results: Results,
    run: TrackedRun,
    tags: Mapping[str, str],
) -> None:
    from mlflow.entities import Metric, Param
    from mlflow.utils.validation import MAX_PARAM_VAL_LENGTH

    # It began so long ago that MLflow's durations and relative times are virtual ones.
    end_ms = time.time_ns() // 1_000_000
    start_ms = end_ms - round(run.virtual_s * _MILLISECONDS)
    made = client.create_run(
        experiment, start_time=start_ms, tags={**run.tags, **tags}, run_name=run.name
    )
    run_id = made.info.run_id
    params = [
        Param(_key(path), str(value)[:MAX_PARAM_VAL_LENGTH]) for path, value in run.settings.items()
    ]
    metrics = [
        Metric(_key(name), value, start_ms + round(time_s * _MILLISECONDS), round(time_s))
        for time_s, name, value in run.curves.itertuples(index=False, name=None)
    ]
    for what, values in {"params": params, "metrics": metrics}.items():
        for begin in range(0, len(values), _AT_ONCE[what]):
            client.log_batch(run_id, **{what: values[begin : begin + _AT_ONCE[what]]})
    _log_files(client, run_id, results, run)
    client.set_terminated(run_id, "FINISHED", end_ms)


def _key(name: str) -> str:
    """A name as MLflow takes it; one that it wouldn't ends in digits of a hash."""
    fit = _NO_KEY.sub("_", name)[:_LONGEST_KEY]
    if posixpath.normpath(fit) != fit or fit.startswith(("/", "..")):
        fit = fit.replace("/", "_")
    return name if fit == name else f"{fit}-{_digest(name.encode())[:8]}"


def _log_files(client: MlflowClient, run_id: str, results: Results, run: TrackedRun) -> None:
    """The folder's scenario and record, and of its tables the run's own rows."""
    for name in (SCENARIO_FILE, RUN_FILE):
        client.log_artifact(run_id, str(run.folder / name))
    choice: dict[str, Any] = {"protocols": run.protocol, "seeds": run.seed}
    choice["points"] = run.point or None
    with TemporaryDirectory() as folder:
        results.scores(**choice, stage=None).to_parquet(Path(folder, SCORES_FILE), index=False)
        results.trace(**choice).to_parquet(Path(folder, TRACE_FILE), index=False)
        client.log_artifacts(run_id, folder)
