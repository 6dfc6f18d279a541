"""Which nodes a selector means."""

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from sim.record.settings import NodeName, Nodes, Selector
from sim.record.settings.nodes import ranged, selects, span, twice

NAMES = ("client_0", "client_1", "client_2", "server", "pooled")


@pytest.mark.parametrize(
    ("selector", "chosen"),
    [
        ("clients", ["client_0", "client_1", "client_2"]),
        ("all", ["client_0", "client_1", "client_2", "server"]),
        ("server", ["server"]),
        (("server", "client_2", "client_0"), ["client_0", "client_2", "server"]),
        (("client_1..client_7",), ["client_1", "client_2"]),
        (("client_0..client_0", "server"), ["client_0", "server"]),
        (("clients",), ["client_0", "client_1", "client_2"]),
    ],
)
def test_a_selector_means_nodes_and_never_the_pooled_machine(
    selector: str | tuple[str, ...], chosen: list[str]
) -> None:
    assert [name for name in NAMES if selects(selector, name)] == chosen


SELECTOR: TypeAdapter[Any] = TypeAdapter(Selector)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("all", "all"),
        ("client_3", ("client_3",)),
        ("client_0..client_9", ("client_0..client_9",)),
        ("slow", ("slow",)),
        (["slow", "server", "client_1"], ("slow", "server", "client_1")),
    ],
)
def test_one_name_stands_for_a_list_of_one(written: Any, kept: Any) -> None:
    assert SELECTOR.validate_python(written) == kept
    assert SELECTOR.dump_python(SELECTOR.validate_python(written)) == kept


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ([0], "client_0"),
        ("client3", "client_3"),
        ("Client 3", "client_3"),
        ("client_007", "client_7"),
        ("client_5..client_2", "client_2..client_5"),
        ("client_0...client_2", "client_0..client_2"),
        ("0-2", "client_0..client_2"),
        ("clients 0 to 2", "client_0..client_2"),
    ],
)
def test_a_misspelt_node_is_told_what_is_likely_meant(written: Any, meant: str) -> None:
    with pytest.raises(ValidationError, match=f"did you mean {meant}\\?"):
        SELECTOR.validate_python(written)


def test_groups_are_replaced_by_their_clients() -> None:
    groups = {"slow": Nodes(("client_0", "client_4..client_6"))}
    nodes = Nodes(("client_2", "slow", "server"))
    assert nodes.resolved(groups) == ("client_2", "client_0", "client_4..client_6", "server")


def test_ranges_are_read_and_written() -> None:
    assert [span(part) for part in ("client_3", "client_3..client_5", "server", "slow")] == [
        (3, 3),
        (3, 5),
        None,
        None,
    ]
    assert (ranged(3, 3), ranged(3, 5)) == ("client_3", "client_3..client_5")


def test_a_node_that_is_named_twice_is_found() -> None:
    lists = [("client_0..client_3", "server"), ("client_5", "client_3..client_4", "server")]
    assert list(twice(lists)) == [(1, 1), (1, 2)]


NODE: TypeAdapter[Any] = TypeAdapter(NodeName)


@pytest.mark.parametrize("written", ["client_0..client_2", "client_2..client_0", "0-2"])
def test_where_one_node_is_meant_no_range_is_suggested(written: str) -> None:
    with pytest.raises(ValidationError) as told:
        NODE.validate_python(written)
    complaint = (
        f"{written!r} are several nodes, and one is meant; allowed: server or client_<number>"
    )
    assert complaint in str(told.value) and "did you mean" not in str(told.value)
