"""Which nodes a selector means."""

import pytest

from sim.record.settings.nodes import selects

NAMES = ("client_0", "client_1", "client_2", "server", "pooled")


@pytest.mark.parametrize(
    ("selector", "chosen"),
    [
        ("clients", ["client_0", "client_1", "client_2"]),
        ("all", ["client_0", "client_1", "client_2", "server"]),
        ("server", ["server"]),
        (("server", "client_2", "client_0"), ["client_0", "client_2", "server"]),
    ],
)
def test_a_selector_means_nodes_and_never_the_pooled_machine(
    selector: str | tuple[str, ...], chosen: list[str]
) -> None:
    assert [name for name in NAMES if selects(selector, name)] == chosen
