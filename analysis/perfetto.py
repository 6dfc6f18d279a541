"""A timeline in the Trace Event Format, which the Perfetto viewer (ui.perfetto.dev) opens.

Source: "Trace Event Format", the Chrome project's document (N. Duca, D. Sinclair). Equal timelines
give equal bytes.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from analysis.timeline import Timeline, Track

_PROCESS = 1
Event = dict[str, Any]


def lines(timeline: Timeline, title: str, about: Mapping[str, str]) -> Iterator[str]:
    """The file, one event a line. `title` names the only process; `about` is free text."""
    yield f'{{"displayTimeUnit":"ms","otherData":{_json(about)},"traceEvents":['
    names = list(_names(timeline, title))
    # Sorting is stable: at one instant a slice stands before the flow that binds to it, and an
    # arrow's start, which is never later than its end, before that end.
    timed = sorted(_timed(timeline), key=lambda event: (event["ts"], event["ph"] == "f"))
    last = len(names) + len(timed)
    for number, event in enumerate((*names, *timed), start=1):
        yield _json(event) + ("," if number < last else "")
    yield "]}"


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def _names(timeline: Timeline, title: str) -> Iterator[Event]:
    """Metadata: the process, and each track as a thread of it; both are numbered from 1."""
    yield {"ph": "M", "pid": _PROCESS, "name": "process_name", "args": {"name": title}}
    for thread, track in enumerate(timeline.tracks, start=1):
        head = {"ph": "M", "pid": _PROCESS, "tid": thread}
        yield {**head, "name": "thread_name", "args": {"name": track.name}}
        yield {**head, "name": "thread_sort_index", "args": {"sort_index": thread}}


def _timed(timeline: Timeline) -> Iterator[Event]:
    for thread, track in enumerate(timeline.tracks, start=1):
        yield from _track(track, {"pid": _PROCESS, "tid": thread})
    for sample in timeline.samples:
        yield {
            **{"ph": "C", "ts": sample.time_us, "pid": _PROCESS},
            **{"name": sample.name, "args": dict(sample.values)},
        }


def _track(track: Track, place: Event) -> Iterator[Event]:
    for one in track.slices:
        yield {
            **{"ph": "X", "ts": one.start_us, "dur": one.end_us - one.start_us, **place},
            **{"name": one.name, "cat": one.kind, "args": dict(one.args)},
        }
        flow = {**place, "name": "transfer", "cat": "transfer"}
        if one.leaves is not None:
            yield {"ph": "s", "ts": one.start_us, **flow, "id": one.leaves}
        if one.arrives is not None:
            # Inside the slice that it binds to ("bp": "e", the enclosing one), not after it.
            yield {"ph": "f", "ts": one.end_us - 1, **flow, "id": one.arrives, "bp": "e"}
    for mark in track.marks:
        yield {
            **{"ph": "i", "ts": mark.time_us, **place, "s": "t"},
            **{"name": mark.name, "cat": mark.kind, "args": dict(mark.args)},
        }
