"""Raw transfers beside the simulator; all of them: `python -m tests.reality.transfers`."""

import statistics
from collections.abc import Callable

import pytest
from pytest import approx

from tests.reality.network.hosts import Link
from tests.reality.transfers.__main__ import markdown
from tests.reality.transfers.comparison import FITTED, LASTING, NEW, lines
from tests.reality.transfers.crashes import Crash, seen
from tests.reality.transfers.flows import Case, Flow, Measured, TooBusy, World, measured_s
from tests.reality.transfers.messages import BEHIND, behind_s
from tests.reality.transfers.predicted import simulated_s

PAIR = World((Link(5e5, 5e5),) * 2, ((0.0, 0.04), (0.04, 0.0)))
ALONE = Case("alone", PAIR, (Flow(0, 1, 640_000),))
SHARED = Case(
    "shared",
    World((Link(1e6, 1e8), *[Link(1e8, 1e8)] * 2), ((0.0, 0.04, 0.02),) * 3),
    (Flow(0, 1, 100_000), Flow(0, 2, 100_000), Flow(0, 1, 100_000)),
)


def test_a_line_is_of_flows_that_are_alike_and_the_last_has_its_own() -> None:
    near, far, last = lines(SHARED, [[3.0, 1.0, 4.0], [2.0, 1.5, 6.0]])
    assert (near.measured_s, near.number) == ([3.0, 4.0, 2.0, 6.0], 0)
    assert far.measured_s == [1.0, 1.5]
    assert last.measured_s == [4.0, 6.0] and last.name == "shared: the last"
    assert [len(line.said_s) for line in (near, far, last)] == [3, 3, 3]


def test_a_table_begins_with_its_head() -> None:
    assert markdown(iter([("a", "b"), ("1", "2")])) == "| a | b |\n| --- | --: |\n| 1 | 2 |"


# -- real ones, which may take a few seconds -------------------------------------------------------


def counted(measure: Callable[[], Measured]) -> Measured:
    """What is measured, where this machine has time for it."""
    try:
        return measure()
    except TooBusy as busy:
        pytest.skip(str(busy))


@pytest.mark.slow
@pytest.mark.usefixtures("punctual")
def test_a_transfer_alone_takes_what_slow_start_says() -> None:
    taken_s = counted(lambda: measured_s(ALONE, 0))
    assert simulated_s(ALONE, NEW) == approx(taken_s, rel=0.02)
    assert simulated_s(ALONE, FITTED)[0] > 1.1 * taken_s[0]


@pytest.mark.slow
@pytest.mark.usefixtures("punctual")
def test_a_connection_that_was_idle_starts_slowly_without_a_handshake() -> None:
    case = Case("idle", PAIR, ALONE.flows, carried_bytes=1, idle_s=0.5)
    taken_s = counted(lambda: measured_s(case, 0))
    assert simulated_s(case, LASTING) == approx(taken_s, rel=0.02)


@pytest.mark.slow
@pytest.mark.usefixtures("punctual")
def test_a_message_behind_a_full_queue_waits_for_it() -> None:
    (case,) = [case for case in BEHIND if case[:2] == ("out of the sender", 0.04)]
    messages, datagrams = counted(lambda: behind_s(case))
    # Its latency, and up to a round trip, for so long is the queue.
    for taken_s in (messages, datagrams):
        assert 0.06 < statistics.median(taken_s) < 0.13


@pytest.mark.slow
@pytest.mark.usefixtures("punctual")
@pytest.mark.parametrize(
    ("crash", "told", "from_s", "to_s"),
    [
        (Crash("sender", None), "end of stream", 0.1, 1.0),  # After what its kernel still had.
        (Crash("receiver", None), "Error", 0.04, 0.1),
        (Crash("receiver", 1.0), "ConnectionResetError", 1.04, 2.0),
    ],
)
def test_who_is_left_is_told(crash: Crash, told: str, from_s: float, to_s: float) -> None:
    found = counted(lambda: seen(crash))
    assert found.told.endswith(told) and from_s <= found.after_s < to_s
