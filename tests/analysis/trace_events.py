"""The rules of the Trace Event Format, as far as our files use it, checked on a file's text."""

import itertools
import json
from collections import defaultdict
from typing import Any, NoReturn

REQUIRED = {
    "M": {"name": str, "pid": int, "args": dict},
    "X": {"name": str, "cat": str, "ts": int, "dur": int, "pid": int, "tid": int, "args": dict},
    "s": {"name": str, "cat": str, "ts": int, "pid": int, "tid": int, "id": int},
    "f": {"name": str, "cat": str, "ts": int, "pid": int, "tid": int, "id": int, "bp": str},
    "i": {"name": str, "ts": int, "pid": int, "tid": int, "s": str},
    "C": {"name": str, "ts": int, "pid": int, "args": dict},
}
"""Which fields each phase has, and of what type."""
Event = dict[str, Any]


def checked(text: str) -> list[Event]:
    """The events of a file that keeps the rules; AssertionError, which says which one, if not."""
    whole = json.loads(text, parse_constant=_refuse)
    assert set(whole) == {"displayTimeUnit", "otherData", "traceEvents"}
    assert whole["displayTimeUnit"] in ("ms", "ns")
    events: list[Event] = whole["traceEvents"]
    for event in events:
        _check_fields(event)
    _check_order(events)
    _check_names(events)
    _check_slices(events)
    _check_flows(events)
    return events


def track_names(events: list[Event]) -> dict[int, str]:
    """Each thread's name."""
    return {
        event["tid"]: event["args"]["name"] for event in events if event["name"] == "thread_name"
    }


def _refuse(constant: str) -> NoReturn:
    raise AssertionError(f"{constant} is no JSON")


def _check_fields(event: Event) -> None:
    for name, kind in REQUIRED[event["ph"]].items():
        assert type(event[name]) is kind, (name, event)
    assert event.get("ts", 0) >= 0 and event.get("dur", 0) >= 0, event
    assert event["ph"] != "i" or event["s"] in ("g", "p", "t"), event
    assert event["ph"] != "f" or event["bp"] == "e", event
    if event["ph"] == "C":
        values = event["args"].values()
        assert values and all(type(value) in (int, float) for value in values), event


def _check_order(events: list[Event]) -> None:
    """Metadata first, then everything by time."""
    names = list(itertools.takewhile(lambda event: event["ph"] == "M", events))
    times = [event["ts"] for event in events[len(names) :]]
    assert times == sorted(times)


def _check_names(events: list[Event]) -> None:
    """Each thread has one name, which no other has, and one place."""
    named = [event["tid"] for event in events if event["name"] == "thread_name"]
    placed = [event["tid"] for event in events if event["name"] == "thread_sort_index"]
    assert named == placed == sorted(set(named))
    assert {event["tid"] for event in events if "tid" in event} == set(named)
    assert len(set(track_names(events).values())) == len(named)


def _slices(events: list[Event]) -> dict[tuple[int, int], list[Event]]:
    found: dict[tuple[int, int], list[Event]] = defaultdict(list)
    for event in events:
        if event["ph"] == "X":
            found[event["pid"], event["tid"]].append(event)
    return found


def _check_slices(events: list[Event]) -> None:
    """On one thread, two slices share no time, or one contains the other."""
    for slices in _slices(events).values():
        enclosing: list[int] = []
        for event in slices:
            end = event["ts"] + event["dur"]
            while enclosing and enclosing[-1] <= event["ts"]:
                enclosing.pop()
            assert not enclosing or end <= enclosing[-1], event
            enclosing.append(end)


def _check_flows(events: list[Event]) -> None:
    """Each arrow starts once and, later in the file, ends once; each end lies in a slice."""
    slices, ends = _slices(events), defaultdict[int, list[Event]](list)
    for event in events:
        if event["ph"] in "sf":
            ends[event["id"]].append(event)
            around = [
                one
                for one in slices[event["pid"], event["tid"]]
                if one["ts"] <= event["ts"] < one["ts"] + one["dur"]
            ]
            assert len(around) == 1, event
            # A reader that goes through the file has met the slice by then.
            assert events.index(around[0]) < events.index(event)
    for start, finish in ends.values():
        assert (start["ph"], finish["ph"]) == ("s", "f"), (start, finish)
        assert start["ts"] <= finish["ts"] and start["tid"] != finish["tid"]
        assert (start["name"], start["cat"]) == (finish["name"], finish["cat"])
