"""Each thing that is compared, on rows made up by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.record.rows import TraceRow
from tests.reality.compare import Merges, compared, detections, merged, rounds, transfers


def row(kind: str, node: str, time_s: float, lasts_s: float = 0.0, **what: object) -> TraceRow:
    peer, peers, updates = what.get("peer", ""), what.get("peers"), what.get("updates")
    assert isinstance(peer, str) and (peers is None or isinstance(peers, tuple))
    assert updates is None or isinstance(updates, int)
    return TraceRow("p", 0, time_s, lasts_s, node, kind, peer, 0, peers=peers, updates=updates)


def test_a_transfer_is_known_by_its_pair_and_its_number() -> None:
    rows = [
        row("transfer", "a", 0.0, 2.0, peer="b"),
        row("transfer", "b", 1.0, 1.5, peer="a"),
        row("transfer", "a", 2.0, 3.0, peer="b"),
    ]
    assert transfers(rows) == {("a", "b", 0): 2.0, ("a", "b", 1): 3.0, ("b", "a", 0): 1.5}


def test_a_clients_round_begins_where_its_last_one_ended() -> None:
    rows = [
        row("train", "client_0", 0.0, 2.0),
        row("train_lost", "client_0", 2.0, 1.0),
        row("round", "server", 0.0, 4.0, updates=1),
        row("train", "client_0", 5.0, 2.0),
        row("round_failed", "server", 4.0, 5.0, updates=0),
        row("round", "server", 9.0, 1.5, updates=1),
    ]
    assert rounds(rows) == {
        ("client_0", "train", 0): 2.0,
        ("client_0", "train", 1): 5.0,
        ("server", "round", 0): 4.0,
        ("server", "round", 1): 1.5,
    }


def test_only_the_first_suspicion_after_a_fault_is_a_detection() -> None:
    rows = [
        row("suspect", "a", 1.0, peer="b"),  # Of nobody who has crashed.
        row("crash", "b", 5.0),
        row("suspect", "a", 8.5, peer="b"),
        row("suspect", "c", 9.0, peer="a"),  # Another than the one who has.
        row("suspect", "a", 12.0, peer="b"),  # A second time.
        row("partition", "", 20.0),
        row("suspect", "a", 23.0, peer="c"),
        row("suspect", "c", 23.5, peer="a"),
    ]
    assert detections(rows) == {("a", "b", 0): 3.5, ("a", "c", 1): 3.0, ("c", "a", 1): 3.5}
    found = compared(rows, [row("crash", "b", 5.0), row("suspect", "a", 8.0, peer="b")])
    assert found.detections_s.tolist() == [-0.5]
    assert found.undetected == 2
    assert found.wrong == (3, 0)


def test_errors_are_relative_to_what_happened() -> None:
    real = [row("transfer", "a", 0.0, 2.0, peer="b"), row("train", "client_0", 0.0, 4.0)]
    said = [row("transfer", "a", 0.0, 1.0, peer="b"), row("train", "client_0", 0.0, 5.0)]
    found = compared(real, said)
    assert (found.transfers.tolist(), found.rounds.tolist()) == ([-0.5], [0.25])
    assert found.rounds_s.tolist() == [4.0]


def test_of_merges_both_order_and_company_count() -> None:
    real = [
        row("merge", "a", 1.0, peers=("b",)),
        row("merge", "b", 2.0, peers=("a", "c")),
        row("round", "server", 0.0, 3.0, updates=2),
        row("merge", "a", 4.0, peers=("b", "c")),
    ]
    said = [
        row("merge", "b", 1.0, peers=("c", "a")),
        row("merge", "a", 2.0, peers=("b",)),
        row("round", "server", 0.0, 3.0, updates=1),
    ]
    assert merged(real, said) == Merges(
        real=4, predicted=3, both=3, in_order=2, alike=2, pairs=3, pairs_in_order=2
    )


@given(st.permutations(range(6)))
def test_an_order_agrees_with_itself_and_with_its_reverse_in_one(order: list[int]) -> None:
    rows = [row("merge", f"client_{number}", 0.0, peers=("x",)) for number in order]
    same, reverse = merged(rows, rows), merged(rows, rows[::-1])
    assert (same.in_order, same.pairs_in_order, same.pairs) == (6, 15, 15)
    assert (reverse.in_order, reverse.pairs_in_order, reverse.pairs) == (1, 0, 15)


@pytest.mark.parametrize(("order", "most"), [("abcd", 4), ("bacd", 3), ("dabc", 3), ("badc", 2)])
def test_the_same_order_may_have_gaps(order: str, most: int) -> None:
    real = [row("merge", name, 0.0, peers=("x",)) for name in "abcd"]
    said = [row("merge", name, 0.0, peers=("x",)) for name in order]
    assert merged(real, said).in_order == most
