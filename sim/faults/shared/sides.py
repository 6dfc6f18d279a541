"""Lists of nodes, no node in two of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field

from sim.record.errors import Path, Refusal
from sim.record.settings import NodeList, selects, twice


def _are_lists(data: Any) -> Any:
    """One node alone might be meant as a list, or as one of several in it."""
    if isinstance(data, (list, tuple)):
        for index, one in enumerate(data):
            if isinstance(one, str):
                together = ", ".join(each for each in data if isinstance(each, str))
                allowed = f"a list of lists, e.g. [[{together}]]"
                raise Refusal(f"{one!r} is not a list", allowed, (index,))
    return data


def _each_once(sides: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
    for row, column in twice(sides):
        what = f"{sides[row][column]} is named twice"
        raise Refusal(what, "each node in one group", (row, column))
    return sides


Sides = Annotated[
    tuple[NodeList, ...],
    Field(strict=False, min_length=1),
    BeforeValidator(_are_lists),
    AfterValidator(_each_once),
]
"""Lists of nodes; what they name has to be checked with `check_apart`, groups' names resolved."""


def named_in(setting: str, sides: Sequence[Sequence[str]]) -> Iterator[tuple[Path, str]]:
    """`Fault.named` of such a setting."""
    for row, side in enumerate(sides):
        for column, node in enumerate(side):
            yield (setting, row, column), node


def check_apart(setting: str, sides: Sequence[tuple[str, ...]], nodes: Sequence[str]) -> None:
    """Raise Refusal if one of these nodes is in two of the lists."""
    for node in nodes:
        if sum(selects(side, node) for side in sides) > 1:
            raise Refusal(f"{node} is in two groups", "each node in one group", (setting,))
