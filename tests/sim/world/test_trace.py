"""The trace keeps in columns what was recorded, and gives it back."""

import pickle
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.record.rows import TraceRow
from sim.world import Trace, trace
from tests.tables import traced

AT_ONCE = 4
Told = tuple[float, str, str, dict[str, Any]]

NUMBERS = st.none() | st.integers(0, 9)
TOLD = st.fixed_dictionaries(
    {},
    optional={
        "duration_s": st.floats(0, 9),
        "peer": st.sampled_from(["", "client_1", "server"]),
        "size_bytes": st.integers(0, 2**40),
        **dict.fromkeys(("round", "attempt", "asked", "answered", "updates"), NUMBERS),
        "cause": st.sampled_from([None, "churn", "offline"]),
        "peers": st.none() | st.lists(st.sampled_from("abc"), max_size=3).map(tuple),
        "factor": st.none() | st.floats(0, 9),
    },
)
EVENTS = st.lists(
    st.tuples(
        st.integers(0, 3).map(float),
        st.sampled_from(["", "client_0", "server"]),
        st.sampled_from(["train", "ping", "crash"]),
        TOLD,
    ),
    max_size=4 * AT_ONCE,
)


def recorded(events: Sequence[Told]) -> tuple[Trace, list[TraceRow]]:
    """The trace of what is told, and its rows as they should be."""
    found, rows = Trace("p", 3), []
    for time_s, node, kind, told in events:
        found.record(time_s, node, kind, **told)
        names = {"size_bytes": "bytes"}
        row = TraceRow("p", 3, time_s, 0.0, node, kind, "", 0)
        rows.append(row._replace(**{names.get(name, name): one for name, one in told.items()}))
    return found, rows


@settings(deadline=None, max_examples=50)
@given(EVENTS)
def test_rows_and_tables_are_those_recorded_however_they_are_kept(events: list[Told]) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(trace, "_AT_ONCE", AT_ONCE)
        found, rows = recorded(events)
        assert len(found) == len(rows) == found.counts.total()
        assert found.rows == rows
        assert [found.since(first) for first in range(len(rows))] == [
            rows[first:] for first in range(len(rows))
        ]
        table, wanted = found.table(), traced(rows)
        assert table.schema.equals(wanted.schema, check_metadata=True)
        assert table.to_pylist() == wanted.to_pylist()
        assert found.rows == rows


def test_a_table_goes_to_another_process_as_it_is() -> None:
    found, _ = recorded([(0.5, "client_0", "merge", {"peers": ("client_1",)})] * 3)
    table = found.table()
    assert pickle.loads(pickle.dumps(table)).equals(table)  # noqa: S301
