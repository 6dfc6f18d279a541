"""How settings refer to nodes: one node by name, or several by a selector."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from sim.record.errors import Refusal
from sim.record.rows import CLIENT, SERVER

_NODE = re.compile(rf"{SERVER}|{CLIENT}(0|[1-9]\d{{0,8}})", re.ASCII)
_NODES_ALLOWED = "server or client_<number>, e.g. client_3"
GROUPS = ("clients", "server", "all")
_SELECTOR_ALLOWED = "clients, server, all, or a list of names such as [client_0, client_3]"


def _node(name: str) -> str:
    if not _NODE.fullmatch(name):
        raise Refusal(f"{name!r} is not a node", _NODES_ALLOWED)
    return name


def _selector(data: Any) -> Any:
    if isinstance(data, str) and data in GROUPS:
        return data
    if not isinstance(data, (list, tuple)) or not data:
        raise Refusal(f"{data!r} selects no nodes", _SELECTOR_ALLOWED)
    for index, name in enumerate(data):
        if not isinstance(name, str) or not _NODE.fullmatch(name):
            raise Refusal(f"{name!r} is not a node", _NODES_ALLOWED, (index,))
        if name in data[:index]:
            raise Refusal(f"{name} is named twice", "each node once", (index,))
    return tuple(data)


def selects(selector: str | tuple[str, ...], name: str) -> bool:
    """Whether a selector means the node of that name."""
    if selector == "all":
        return _NODE.fullmatch(name) is not None
    if selector == "clients":
        return name.startswith(CLIENT)
    return name in selector if isinstance(selector, tuple) else name == selector


NodeName = Annotated[str, AfterValidator(_node)]
"""The name of one node: ``server`` or ``client_<number>``."""

Selector = Annotated[
    str | tuple[str, ...],
    BeforeValidator(_selector),
    WithJsonSchema(
        {
            "anyOf": [
                {"enum": list(GROUPS)},
                {"type": "array", "items": {"type": "string"}, "minItems": 1},
            ]
        }
    ),
]
"""Several nodes: ``clients``, ``server``, ``all`` or a tuple of names."""
