"""How a world that is played in another process hands over what it names: in pieces, as arrays.

There a `Handover` takes the place of the graph: nothing is computed, and of what is demanded each
piece tells the rows that are new. Here an `Adoption` puts them into the graph as if the world had
been played beside it. Rows are numbered through all pieces, and inputs stand before what is made
of them. What the other side has let go of is let go of here, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, get_args

import numpy as np
import numpy.typing as npt

from sim.compute.distinct import DIGEST_BYTES
from sim.compute.lineage import Lineage
from sim.compute.refs import ModelKind, ModelRef, Models, ScoreRef, Scores, ServerRule

Ints = npt.NDArray[np.int64]
_KINDS: tuple[ModelKind, ...] = (
    *("initial", "trained", "combined", "direction"),
    *get_args(ServerRule),
)
_CODES = {kind: code for code, kind in enumerate(_KINDS)}


@dataclass(frozen=True)
class Piece:
    """What is demanded since the last piece, rows of models and of scores.

    `models`, `scores`, `named`: names, 16 bytes each; `named` are those of all operations that were
    named since, once for each time. `kinds` [models]: of `_KINDS`. `inputs`, `arguments`: of all
    models one after the other, those of row i up to `input_ends[i]`, `argument_ends[i]`. `scored`
    [scores]: the row of the model; `datasets` [scores]. `dropped`: rows that are needed no more.
    """

    models: bytes
    kinds: bytes
    inputs: Ints
    input_ends: Ints
    arguments: npt.NDArray[np.float64]
    argument_ends: Ints
    scores: bytes
    scored: Ints
    datasets: tuple[str, ...]
    dropped: Ints
    named: bytes


class Handover:
    """What a lineage names its operations to where they are only noted down.

    A model's inputs are let go of once it has a row: a long history doesn't stay in memory.
    """

    def __init__(self) -> None:
        self.models = Models()
        self._rows: dict[str, int] = {}  # Of models that are told, and may still be needed.
        self._next = 0
        self._named = bytearray()
        self._fresh: list[ModelRef] = []
        self._scores: list[ScoreRef] = []
        self._demanded: set[str] = set()

    def __len__(self) -> int:
        """How many rows and scores wait to be told."""
        return len(self._fresh) + len(self._scores)

    def count(self, name: str, steps: int = 0) -> None:
        """See Graph; steps are the lineage's to count."""
        self._named += bytes.fromhex(name)

    def demand(self, score: ScoreRef, *, urgent: bool = False) -> None:
        """Have it told; each score once."""
        if score.name not in self._demanded:
            self._demanded.add(score.name)
            self.row(score.model)
            self._scores.append(score)

    async def scores(self, name: str) -> Scores:
        """Raises RuntimeError: a world that waits for numbers is played beside the graph."""
        raise RuntimeError(f"no number comes of {name[:8]} where operations are only noted down")

    def row(self, model: ModelRef) -> int:
        """The model's row; it, and all that it is made of, is told if it hasn't been."""
        # A lineage may be tens of thousands deep: a stack of our own instead of recursion.
        stack = [model]
        while stack:
            each = stack[-1]
            unknown = [one for one in each.inputs if one.name not in self._rows]
            if each.name not in self._rows and unknown:
                stack += unknown
                continue
            stack.pop()
            if each.name not in self._rows:
                self._rows[each.name] = self._next
                self._next += 1
                self._fresh.append(each)
        return self._rows[model.name]

    def piece(self) -> Piece:
        """What is new since the last one."""
        fresh, scores, self._fresh, self._scores = self._fresh, self._scores, [], []
        inputs = [[self._rows[one.name] for one in model.inputs] for model in fresh]
        arguments = [model.arguments for model in fresh]
        names, self._named = bytes(self._named), bytearray()
        return Piece(
            _names(model.name for model in fresh),
            bytes(_CODES[model.kind] for model in fresh),
            *_flat(inputs, np.int64),
            *_flat(arguments, np.float64),
            _names(score.name for score in scores),
            np.array([self._rows[score.model.name] for score in scores], dtype=np.int64),
            tuple(score.dataset for score in scores),
            self._dropped(fresh, scores),
            names,
        )

    def _dropped(self, fresh: list[ModelRef], scores: list[ScoreRef]) -> Ints:
        """Rows of models that nobody here holds any longer, once those that are told let go."""
        for model in fresh:
            model.inputs = ()
        fresh.clear()
        scores.clear()
        gone = [name for name in self._rows if name not in self.models]
        return np.array([self._rows.pop(name) for name in gone], dtype=np.int64)


def _names(names: Iterable[str]) -> bytes:
    return bytes.fromhex("".join(names))


def _flat(rows: Sequence[Sequence[Any]], kind: Any) -> tuple[npt.NDArray[Any], Ints]:
    flat = np.array([each for row in rows for each in row], dtype=kind)
    return flat, np.cumsum([len(row) for row in rows], dtype=np.int64)


class Adoption:
    """Puts one world's pieces into the graph that `lineage` names its operations to."""

    def __init__(self, lineage: Lineage) -> None:
        self._lineage = lineage
        self._held: dict[int, ModelRef] = {}
        self._next = 0
        self._named: list[bytes] = []

    def adopt(self, piece: Piece) -> None:
        """Demand what the piece tells."""
        parts = zip(
            _each_name(piece.models),
            map(_KINDS.__getitem__, piece.kinds),
            _rows(piece.inputs, piece.input_ends),
            _rows(piece.arguments, piece.argument_ends),
            strict=True,
        )
        for name, kind, inputs, arguments in parts:
            whole = tuple(map(int, arguments)) if kind == "trained" else tuple(arguments)
            models = tuple(self._held[row] for row in inputs)
            self._held[self._next] = self._lineage.interned(name, kind, models, whole)
            self._next += 1
        scores = zip(_each_name(piece.scores), piece.scored.tolist(), piece.datasets, strict=True)
        for name, row, dataset in scores:
            self._lineage.demand(name, self._held[row], dataset)
        for row in piece.dropped.tolist():
            del self._held[row]
        self._named.append(piece.named)

    def model(self, row: int) -> ModelRef:
        """The model of a row that isn't dropped."""
        return self._held[row]

    def named(self) -> bytes:
        """The names of all operations that the world has named, once for each time."""
        return b"".join(self._named)


def _each_name(names: bytes) -> Sequence[str]:
    digits = names.hex()
    return [digits[i : i + 2 * DIGEST_BYTES] for i in range(0, len(digits), 2 * DIGEST_BYTES)]


def _rows(flat: npt.NDArray[Any], ends: Ints) -> list[list[Any]]:
    values = flat.tolist()
    return [values[start:end] for start, end in pairwise([0, *ends.tolist()])]
