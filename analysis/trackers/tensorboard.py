"""Runs as TensorBoard event files, in a folder beside the results that is replaced as a whole.

Steps are virtual seconds; so is each event's wall time, so that the axis "relative" shows virtual
time.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.results import Results
from analysis.trackers.runs import TrackedRun, tracked_runs
from sim.record.errors import ResultError
from sim.record.folder import RUN_FILE, SCENARIO_FILE
from sim.record.points import file_part

if TYPE_CHECKING:
    from tensorboard.compat.proto.event_pb2 import Event

FOLDER = "tensorboard"


def log(results: Results) -> str:
    """Write one folder of events per finished run; returns the folder of them all.

    Raises ResultError if the disk does not let them be written.
    """
    target = results.folder / FOLDER
    unfinished = results.folder / f".{FOLDER}.unfinished"
    try:
        try:
            _remove(unfinished)
            unfinished.mkdir()
            for run in tracked_runs(results):
                _write(unfinished.joinpath(*map(file_part, run.parts)), _events(run))
            _remove(target)
            unfinished.rename(target)
        finally:
            _remove(unfinished)
    except OSError as error:
        what = error.strerror or str(error)
        raise ResultError(
            f"--track {FOLDER}: {target}: cannot be written: {what}; the results are kept"
        ) from None
    return str(target)


def _write(folder: Path, events: Iterator[Event]) -> None:
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    with closing(EventFileWriter(str(folder))) as writer:
        for event in events:
            writer.add_event(event)


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def _events(run: TrackedRun) -> Iterator[Event]:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams.summary_v2 import hparams_pb
    from tensorboard.plugins.text.summary_v2 import text_pb

    # Each run is a trial of its own: runs that differ in the seed alone are not averaged.
    settings = hparams_pb({**run.settings, **run.tags}, trial_id=run.name, start_time_secs=0.0)
    yield Event(wall_time=0.0, summary=settings)
    for name in (SCENARIO_FILE, RUN_FILE):
        # Markdown shows what is indented by four spaces as it stands.
        text = (run.folder / name).read_text(encoding="utf-8")
        yield Event(wall_time=0.0, summary=text_pb(name, _indented(text)))
    for time_s, name, value in run.curves.itertuples(index=False, name=None):
        summary = Summary(value=[Summary.Value(tag=name, simple_value=value)])
        yield Event(wall_time=time_s, step=round(time_s), summary=summary)


def _indented(text: str) -> str:
    return "".join(f"    {line}\n" for line in text.splitlines())
