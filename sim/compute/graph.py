"""The graph of real operations: names them at once, computes them when a score demands them.

One graph serves one seed, all protocols: what they have in common has one name and is computed
once. What no score depends on is never computed.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any
from weakref import WeakValueDictionary

from sim.compute.engines import Engine
from sim.compute.refs import ModelKind, ModelRef, ScoreRef, content_name

Scores = dict[str, float]


class _Operation:
    """A demanded model or score on its way: what it still waits for, and who waits for it."""

    __slots__ = ("ref", "waiters", "waits_for")

    def __init__(self, ref: ModelRef | ScoreRef) -> None:
        self.ref = ref
        self.waits_for = 0
        self.waiters: list[_Operation] = []


class Graph:
    """Interns references by name and executes the demanded ones.

    `name` must hold everything that decides the bits and isn't an operation's own argument.
    Vectors stay while anybody holds their reference; the latest `limit_bytes` of them stay
    besides, so that another protocol may still share them. `pending_limit`: how many demanded
    operations may be unfinished before `throttle` holds the clock back.
    """

    def __init__(
        self,
        spec: Hashable,
        name: str,
        engine: Engine,
        *,
        limit_bytes: int = 1 << 30,
        pending_limit: int = 100_000,
    ) -> None:
        self._spec = spec
        self._name = name
        self._engine = engine
        self._limit_bytes = limit_bytes
        self._pending_limit = pending_limit
        self._named: set[str] = set()
        self._needed: set[str] = set()
        self._models: WeakValueDictionary[str, ModelRef] = WeakValueDictionary()
        self._scores: dict[str, asyncio.Future[Scores]] = {}
        self._kept: OrderedDict[str, ModelRef] = OrderedDict()
        self._kept_bytes = 0
        self._operations: dict[str, _Operation] = {}
        self._tasks: dict[asyncio.Task[None], None] = {}
        self._drained = asyncio.Event()
        self.asked = 0
        self.shared = 0
        self.computed = 0
        self.trained_demanded = 0
        self.trained_done = 0

    @property
    def never_needed(self) -> int:
        """Operations that were named and that no score has asked for."""
        # Not `computed`: what was let go of may be computed again.
        return len(self._named) - len(self._needed)

    # -- naming --------------------------------------------------------------------------------

    def initial(self) -> ModelRef:
        """The common initial model."""
        return self._model("initial", (), ())

    def trained(self, base: ModelRef, client: int, local_round: int) -> ModelRef:
        """`base` after the client's local round of that number."""
        return self._model("trained", (base,), (client, local_round))

    def averaged(self, models: tuple[ModelRef, ...], weights: tuple[float, ...]) -> ModelRef:
        """The weighted average; `weights` sum to 1, both in the order of node index."""
        assert len(models) == len(weights) > 0
        return self._model("averaged", models, weights)

    def scores(self, model: ModelRef, dataset: str = "test") -> ScoreRef:
        """The metrics of `model` on a data set."""
        name = content_name(self._name, "scores", (model,), (dataset,))
        self._count(name)
        return ScoreRef(name, model, dataset)

    def _model(
        self, kind: ModelKind, inputs: tuple[ModelRef, ...], arguments: tuple[Any, ...]
    ) -> ModelRef:
        name = content_name(self._name, kind, inputs, arguments)
        model = self._models.get(name)
        self._count(name)
        if model is None:
            model = self._models[name] = ModelRef(name, kind, inputs, arguments)
        return model

    def _count(self, name: str) -> None:
        self.asked += 1
        self.shared += name in self._named
        self._named.add(name)

    # -- demanding -----------------------------------------------------------------------------

    def demand(self, score: ScoreRef) -> asyncio.Future[Scores]:
        """The scores, as soon as all that they depend on is computed; each name once."""
        future = self._scores.get(score.name)
        if future is None:
            future = self._scores[score.name] = asyncio.get_running_loop().create_future()
            self._pull(score)
        return future

    async def throttle(self) -> None:
        """Wait while too many demanded operations are unfinished."""
        while len(self._operations) > self._pending_limit:
            self._drained.clear()
            await self._drained.wait()

    def _pull(self, score: ScoreRef) -> None:
        # A lineage may be tens of thousands deep: a stack of our own instead of recursion.
        stack = [self._wanted(score)]
        while stack:
            operation = stack.pop()
            for model in _inputs(operation.ref):
                if model.vector is not None:
                    continue
                known = self._operations.get(model.name)
                if known is None:
                    known = self._wanted(model)
                    stack.append(known)
                known.waiters.append(operation)
                operation.waits_for += 1
            if not operation.waits_for:
                self._start(operation)

    def _wanted(self, ref: ModelRef | ScoreRef) -> _Operation:
        operation = self._operations[ref.name] = _Operation(ref)
        self._needed.add(ref.name)
        self.trained_demanded += isinstance(ref, ModelRef) and ref.kind == "trained"
        return operation

    # -- executing -----------------------------------------------------------------------------

    def _start(self, operation: _Operation) -> None:
        task = asyncio.get_running_loop().create_task(self._execute(operation))
        self._tasks[task] = None
        task.add_done_callback(lambda task: self._tasks.pop(task))

    async def _execute(self, operation: _Operation) -> None:
        ref = operation.ref
        inputs = _inputs(ref)
        kind, arguments = (
            (ref.kind, ref.arguments) if isinstance(ref, ModelRef) else ("scores", (ref.dataset,))
        )
        vectors = [model.vector for model in inputs if model.vector is not None]
        assert len(vectors) == len(inputs)
        try:
            result = await self._engine.compute(self._spec, kind, arguments, vectors)
        except Exception as failure:
            self._fail(operation, failure)
            return
        self._finish(operation, result)

    def _finish(self, operation: _Operation, result: Any) -> None:
        ref = operation.ref
        del self._operations[ref.name]
        self.computed += 1
        if isinstance(ref, ModelRef):
            ref.vector = result
            ref.inputs = ()
            self.trained_done += ref.kind == "trained"
            self._keep(ref, result.nbytes)
        else:
            future = self._scores[ref.name]
            if not future.done():  # Cancelled with those that waited for it.
                future.set_result(result)
        for waiter in operation.waiters:
            waiter.waits_for -= 1
            if not waiter.waits_for:
                self._start(waiter)
        if len(self._operations) <= self._pending_limit:
            self._drained.set()

    def _keep(self, model: ModelRef, size_bytes: int) -> None:
        self._kept[model.name] = model
        self._kept_bytes += size_bytes
        while self._kept_bytes > self._limit_bytes:
            _, oldest = self._kept.popitem(last=False)
            assert oldest.vector is not None
            self._kept_bytes -= oldest.vector.nbytes

    def _fail(self, operation: _Operation, failure: Exception) -> None:
        """Whatever waits for the operation fails with its cause."""
        failed = [operation]
        while failed:
            each = failed.pop()
            if self._operations.pop(each.ref.name, None) is None:
                continue
            if isinstance(each.ref, ScoreRef):
                future = self._scores[each.ref.name]
                if not future.done():
                    future.set_exception(failure)
            failed += each.waiters
        self._drained.set()

    async def close(self) -> None:
        """Give up what is under way, whoever waits for it, and the vectors that nobody holds."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for future in self._scores.values():
            future.cancel()
        self._kept.clear()
        self._kept_bytes = 0


def _inputs(ref: ModelRef | ScoreRef) -> tuple[ModelRef, ...]:
    return (ref.model,) if isinstance(ref, ScoreRef) else ref.inputs
