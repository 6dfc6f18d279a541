"""A topology that a user lists: pairs of clients."""

import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from sim.record.errors import Refusal, shown
from sim.record.rows import client_name
from sim.record.settings import ranged, span
from sim.world.random_streams import Streams
from sim.world.topologies.topology import KIND, Adjacency, Topology, TopologySettings

Pair = tuple[int, int]

_PAIRS = "a CSV file of two clients a line, or a list of pairs, e.g. [[client_0, client_1]]"
_CLIENT = "client_<number>, or the number"
_SCHEMA_PAIR = {"type": "array", "minItems": 2, "maxItems": 2}
_NUMBER = re.compile("[0-9]{1,9}")


def _pairs(data: Any) -> tuple[Pair, ...]:
    if not isinstance(data, (list, tuple)):
        raise Refusal(f"{shown(data)} is no list of pairs", _PAIRS)
    if not data:
        raise Refusal("names no edges", _PAIRS)
    pairs = tuple(_pair(row, index) for index, row in enumerate(data))
    known: set[Pair] = set()
    for index, (one, other) in enumerate(pairs):
        pair = min(one, other), max(one, other)
        names = " and ".join(map(client_name, pair))
        if one == other:
            raise Refusal(f"joins {client_name(one)} to itself", "two clients", (index,))
        if pair in known:
            raise Refusal(f"joins {names} again", "each pair once, in either order", (index,))
        known.add(pair)
    return pairs


def _pair(row: Any, index: int) -> Pair:
    if not isinstance(row, (list, tuple)) or len(row) != 2:
        what = f"has {len(row)} values" if isinstance(row, (list, tuple)) else shown(row)
        raise Refusal(f"{what}, which is no pair", "two clients", (index,))
    one, other = (_client(cell, index, column) for column, cell in enumerate(row))
    return one, other


def _client(cell: Any, *path: int) -> int:
    if isinstance(cell, int) and not isinstance(cell, bool) and cell >= 0:
        return cell
    text = str(cell)
    among = span(client_name(int(text)) if _NUMBER.fullmatch(text) else text)
    if not isinstance(cell, str) or among is None or among[0] != among[1]:
        raise Refusal(f"{shown(cell)} is no client", _CLIENT, path)
    return among[0]


class Edges(TopologySettings):
    """The pairs of clients that a file lists; a result folder keeps the pairs themselves."""

    kind: Literal["edges"] = Field(description=KIND)
    pairs: Annotated[
        tuple[Pair, ...],
        BeforeValidator(_pairs),
        WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": _SCHEMA_PAIR}]}),
    ] = Field(
        description="a CSV file without header, beside the scenario, of two clients a line, by "
        "name or number; or a list of pairs"
    )

    def check(self, clients: int) -> None:
        import networkx

        for row, pair in enumerate(self.pairs):
            for column, index in enumerate(pair):
                if index >= clients:
                    what, allowed = f"{client_name(index)} does not exist", ranged(0, clients - 1)
                    raise Refusal(what, allowed, ("pairs", row, column))
        graph = networkx.empty_graph(clients)
        graph.add_edges_from(self.pairs)
        joined = networkx.node_connected_component(graph, 0)
        if len(joined) < clients:
            first = next(index for index in range(clients) if index not in joined)
            what = f"nothing leads from {client_name(0)} to {client_name(first)}"
            raise Refusal(what, "edges that join all clients", ("pairs",))

    def build(self, clients: int, streams: Streams) -> Topology:
        return Adjacency(clients, self.pairs)
