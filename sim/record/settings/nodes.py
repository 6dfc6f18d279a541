"""How settings refer to nodes: one node by name, or several by a selector."""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from sim.record.errors import Refusal, did_you_mean, shown
from sim.record.rows import CLIENT, MOST_STANDBYS, SERVER, STANDBY, client_name
from sim.record.settings.base import Settings

WORDS = ("clients", SERVER, "all")
"""What a selector may be without naming anyone."""

_CLIENT = rf"{CLIENT}(0|[1-9][0-9]{{0,8}})"
_NODE = re.compile(rf"{SERVER}|{STANDBY}[1-{MOST_STANDBYS}]|{_CLIENT}")
_RANGE = re.compile(rf"{_CLIENT}\.\.{_CLIENT}")
# A group must not look like a misspelt client.
_GROUP = re.compile(r"(?!(?:[Cc]lients?|[Ss]tandby)[_-]*[0-9])[A-Za-z_][A-Za-z0-9_-]{0,99}")
_NEARLY = re.compile(r"(?:clients?)?[ _-]*0*([0-9]{1,9})", re.IGNORECASE)
_NEARLY_RANGE = re.compile(rf"{_NEARLY.pattern}\s*(?:\.+|-|–|:|…|to)\s*{_NEARLY.pattern}", re.I)
_NODE_ALLOWED = "server or client_<number>, e.g. client_3"
_PARTS_ALLOWED = "client_<number>, a range such as client_0..client_9, server, or a group's name"
_LIST_ALLOWED = f"{_PARTS_ALLOWED}; or a list, e.g. [client_0, client_3]"
_SELECTOR_ALLOWED = f"clients, all, {_LIST_ALLOWED}"

S = TypeVar("S", bound=Settings)


class Nodes(tuple[str, ...]):
    """Nodes as they are listed: names, ranges such as ``client_0..client_9``, groups' names."""

    def resolved(self, groups: Mapping[str, "Nodes"]) -> "Nodes":
        """The same nodes without the groups' names."""
        return Nodes(chain.from_iterable(groups.get(part, (part,)) for part in self))


@lru_cache(maxsize=1 << 17)
def span(part: str) -> tuple[int, int] | None:
    """The first and the last number of the clients that a name or a range means, if it is one."""
    if match := _RANGE.fullmatch(part):
        return int(match[1]), int(match[2])
    match = _NODE.fullmatch(part)
    return (int(match[1]), int(match[1])) if match and match[1] else None


def ranged(first: int, last: int) -> str:
    """What ``span`` reads: a client's name, or a range."""
    return client_name(first) if first == last else f"{client_name(first)}..{client_name(last)}"


def shared_out(
    among: Sequence[Sequence[str]], counts: Sequence[int], clients: int
) -> list[int | None]:
    """Of each client [clients] which of several groups has it; None: none.

    `among`: the clients that a group names, as names and ranges; `counts`: how many of those that
    no group names it takes beside, in the order of the groups.
    """
    owner: list[int | None] = [None] * clients
    for group, parts in enumerate(among):
        for first, last in filter(None, map(span, parts)):
            owner[first : last + 1] = [group] * (last + 1 - first)
    free = (index for index, group in enumerate(owner) if group is None)
    for group, count in enumerate(counts):
        for index in itertools.islice(free, count):
            owner[index] = group
    return owner


def selects(selector: str | tuple[str, ...], name: str) -> bool:
    """Whether a selector, in which no groups are left, means the node of that name."""
    parts = (selector,) if isinstance(selector, str) else selector
    return any(_means(part, name) for part in parts)


def _means(part: str, name: str) -> bool:
    if part == "all":
        return _NODE.fullmatch(name) is not None
    if part == "clients":
        return name.startswith(CLIENT)
    among, number = span(part), span(name)
    return part == name if among is None or number is None else among[0] <= number[0] <= among[1]


def resolved(settings: S, groups: Mapping[str, Nodes]) -> S:
    """The same settings, with the nodes themselves wherever they name groups."""
    return settings.model_copy(update={name: _resolved(value, groups) for name, value in settings})


def _resolved(value: Any, groups: Mapping[str, Nodes]) -> Any:
    if isinstance(value, Nodes):
        return value.resolved(groups)
    if isinstance(value, tuple) and any(isinstance(one, Nodes) for one in value):
        return tuple(_resolved(one, groups) for one in value)
    return value


def twice(lists: Sequence[Sequence[str]]) -> Iterator[tuple[int, int]]:
    """The row and the column of what means, in these lists, a node that was named before."""
    earlier: list[str] = []
    for row, parts in enumerate(lists):
        for column, part in enumerate(parts):
            if any(_overlap(part, other) for other in earlier):
                yield row, column
            earlier.append(part)


def _overlap(part: str, other: str) -> bool:
    one, another = span(part), span(other)
    if one is None or another is None:
        return part == other
    return one[0] <= another[1] and another[0] <= one[1]


def _node(name: str) -> str:
    if not _NODE.fullmatch(name):
        if _RANGE.fullmatch(name) or _NEARLY_RANGE.fullmatch(name.strip()):
            raise Refusal(f"{name!r} are several nodes, and one is meant", _NODE_ALLOWED)
        meant = _meant(name) or did_you_mean(name, [SERVER])
        raise Refusal(f"{name!r} is not a node{meant}", _NODE_ALLOWED)
    return name


def _group_name(name: str) -> str:
    if name in WORDS or not _GROUP.fullmatch(name):
        raise Refusal(f"{name!r} is no name for a group", "letters, digits, - and _; no node's")
    return name


def _meant(written: Any) -> str:
    text = str(written).strip()
    if match := _NEARLY.fullmatch(text) or _NEARLY_RANGE.fullmatch(text):
        first, last = int(match[1]), int(match[match.re.groups])
        return f", did you mean {ranged(*sorted((first, last)))}?"
    return ""


def _part(part: Any, *path: int) -> str:
    names = isinstance(part, str) and (_NODE.fullmatch(part) or _GROUP.fullmatch(part))
    among = span(part) if isinstance(part, str) else None
    if not names and (among is None or among[0] > among[1]):
        raise Refusal(f"{shown(part)} is not a node{_meant(part)}", _PARTS_ALLOWED, path)
    return str(part)


def _listed(data: Any) -> Any:
    if isinstance(data, str):
        return (_part(data),)
    if not isinstance(data, (list, tuple)) or not data:
        raise Refusal(f"{_shown(data)} names no nodes{_meant(data)}", _LIST_ALLOWED)
    for index, part in enumerate(data):
        _part(part, index)
    for _, column in twice([data]):
        raise Refusal(f"{data[column]} is named twice", "each node once", (column,))
    return tuple(data)


def _selector(data: Any) -> Any:
    if isinstance(data, str):
        return data if data in WORDS else _listed(data)
    if not isinstance(data, (list, tuple)) or not data:
        raise Refusal(f"{_shown(data)} selects no nodes{_meant(data)}", _SELECTOR_ALLOWED)
    return _listed(data)


def _shown(data: Any) -> str:
    return "an empty list" if data in ([], ()) else shown(data)


_GROUP_PATTERN = rf"^(?!(?:{'|'.join(WORDS)})$){_GROUP.pattern}$"
_SCHEMA_PART = {
    "type": "string",
    "pattern": rf"^(?:{_NODE.pattern}|{_RANGE.pattern}|{_GROUP.pattern})$",
    "examples": ["client_0", "client_0..client_9"],
}
_SCHEMA_LIST = {"type": "array", "items": _SCHEMA_PART, "minItems": 1, "uniqueItems": True}

NodeName = Annotated[
    str,
    AfterValidator(_node),
    WithJsonSchema({"type": "string", "pattern": f"^(?:{_NODE.pattern})$", "examples": ["server"]}),
]
"""The name of one node: ``server`` or ``client_<number>``."""

GroupName = Annotated[
    str, AfterValidator(_group_name), WithJsonSchema({"type": "string", "pattern": _GROUP_PATTERN})
]
"""The name of a group of clients, which means nothing else."""

NodeList = Annotated[
    tuple[str, ...],
    BeforeValidator(_listed),
    AfterValidator(Nodes),
    WithJsonSchema({"anyOf": [_SCHEMA_PART, _SCHEMA_LIST]}),
]
"""Listed nodes; in YAML a list, or one name, range or group alone."""

Selector = Annotated[
    str | tuple[str, ...],
    BeforeValidator(_selector),
    AfterValidator(lambda value: value if isinstance(value, str) else Nodes(value)),
    WithJsonSchema({"anyOf": [{"enum": list(WORDS)}, _SCHEMA_PART, _SCHEMA_LIST]}),
]
"""Several nodes: ``clients``, ``server``, ``all``, or what is listed."""
