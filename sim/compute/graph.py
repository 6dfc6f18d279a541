"""The graph of real operations: names them at once, computes them when they are demanded.

One graph serves all runs of a sweep: what they have in common has one name and is computed once,
or not at all if the store has it. What neither a score nor a kept model depends on is never
computed.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from sim.compute.distinct import DIGEST_BYTES, Distinct
from sim.compute.engines.engine import ComputeError, Engine, Failure, Result
from sim.compute.pace import Pace
from sim.compute.refs import Job, ModelRef, Models, ScoreRef, Scores, Vector
from sim.compute.schedule import Operation, Ready, raise_heights
from sim.compute.store.store import Store
from sim.compute.store.vectors import DamagedVector

ATTEMPTS = 3
"""An operation that failed so often fails whatever needs it."""


class Graph:
    """Interns references by name and has the demanded ones computed.

    `models`: those interned, none of which may leave the store as long as anybody holds it.
    `pending_limit`: how many demanded operations may be unfinished before `throttle` holds the
    clocks back, so that memory stays bounded however long a sweep is.
    """

    def __init__(
        self, engine: Engine, store: Store, models: Models, *, pending_limit: int = 100_000
    ) -> None:
        self._engine = engine
        self._store = store
        self._pending_limit = pending_limit
        self._named = Distinct()
        self._needed = Distinct()
        self._scores: dict[str, asyncio.Future[Scores]] = {}  # Under way, or failed.
        self._awaited: dict[str, asyncio.Future[None]] = {}  # Models on their way to the store.
        self._operations: dict[str, Operation] = {}
        self._fresh: list[Operation] = []
        self._ready = Ready()
        self._alone = 0  # Operations under way that are in no group.
        self.under_way = 0
        """Groups of operations that the engine has, one of a single operation among them."""
        self._woken = False
        self._closed = False
        self._drained = asyncio.Event()
        self.models = models
        self.pace = Pace()
        self.asked = 0
        self.computed = 0
        self.trainings_demanded = 0
        self.trainings_done = 0
        self.steps_asked = 0
        self.steps_demanded = 0
        self.steps_done = 0
        engine.connect(self._finished, self.pace)

    @property
    def shared(self) -> int:
        """How often an operation was named that had a name already."""
        return self.asked - len(self._named)

    @property
    def never_needed(self) -> int:
        """Operations that were named and that nothing demanded depends on."""
        # Not `computed`: what was let go of may be computed again.
        return len(self._named) - len(self._needed)

    def count(self, name: str, steps: int = 0) -> None:
        """Note that an operation was named, once more or for the first time."""
        self.asked += 1
        self.steps_asked += steps
        self._named.add(bytes.fromhex(name))

    def count_again(self, asked: int, steps: int) -> None:
        """Note that so many operations, all of them named before, were named once more."""
        self.asked += asked
        self.steps_asked += steps

    def note(self, digests: bytes, steps: int) -> None:
        """Note that operations were named, whose names stand in `digests`, 16 bytes each."""
        self.asked += len(digests) // DIGEST_BYTES
        self.steps_asked += steps
        self._named.add(digests)

    # -- demanding -----------------------------------------------------------------------------

    def demand(self, score: ScoreRef, *, urgent: bool = False) -> asyncio.Future[Scores]:
        """The scores, as soon as all that they depend on is computed; each name once.

        Who holds many had better hold their names, and ask `scores`.
        `urgent`: somebody waits for the number, so it goes before everything else.
        """
        future = self._scores.get(score.name)
        if future is None:
            future = asyncio.get_running_loop().create_future()
            known = self._store.scores(score.name)
            if known is not None:
                self._needed.add(bytes.fromhex(score.name))
                future.set_result(known)
                return future
            self._scores[score.name] = future
            self._pull(score)
        if urgent and (operation := self._operations.get(score.name)) is not None:
            operation.height = float("inf")
            self._fresh.append(operation)
        return future

    async def scores(self, name: str) -> Scores:
        """The scores that were demanded under this name. Raises ComputeError."""
        if (future := self._scores.get(name)) is not None:
            return await future
        known = self._store.scores(name)
        if known is None:
            raise ComputeError(f"scores {name[:8]} are gone; the same command computes them again")
        return known

    def stored(self, model: ModelRef) -> asyncio.Future[None]:
        """Demands the model itself: done as soon as the store has it, where it stays as long as
        anybody holds `model`. Carries a ComputeError if it can't be computed.
        """
        future = self._awaited.get(model.name)
        if future is not None:
            return future
        future = asyncio.get_running_loop().create_future()
        if self._store.holds(model.name):
            self._needed.add(bytes.fromhex(model.name))
            future.set_result(None)
            return future
        self._awaited[model.name] = future
        if model.name not in self._operations:
            self._pull(model)
        return future

    async def vector(self, model: ModelRef) -> Vector:
        """The vector [P] of a model, computed if need be. Raises ComputeError."""
        await self.stored(model)
        try:
            return await self._store.fetch(model.name)
        except (DamagedVector, FileNotFoundError) as problem:
            # Its inputs are let go of, as a damaged input's are: see `_settle`.
            raise ComputeError(f"{problem}; the same command computes it again") from None

    async def throttle(self) -> None:
        """Wait while too many demanded operations are unfinished."""
        while len(self._operations) > self._pending_limit:
            self._drained.clear()
            await self._drained.wait()

    def _pull(self, wanted: ModelRef | ScoreRef) -> None:
        # A lineage may be tens of thousands deep: a stack of our own instead of recursion.
        stack = [self._wanted(wanted)]
        while stack:
            operation = stack.pop()
            for model in operation.ref.inputs:
                known = self._operations.get(model.name)
                if known is None:
                    if self._store.holds(model.name):
                        continue
                    known = self._wanted(model)
                    stack.append(known)
                known.waiters.append(operation)
                operation.waits_for += 1
        if not self._woken:
            self._woken = True
            asyncio.get_running_loop().call_soon(self._dispatch)

    def _wanted(self, ref: ModelRef | ScoreRef) -> Operation:
        operation = self._operations[ref.name] = Operation(ref)
        self._fresh.append(operation)
        self._needed.add(bytes.fromhex(ref.name))
        self.pace.demanded(ref)
        if isinstance(ref, ModelRef) and ref.kind == "trained":
            self.trainings_demanded += 1
            self.steps_demanded += ref.cost
        return operation

    # -- executing -----------------------------------------------------------------------------

    def _dispatch(self) -> None:
        """Give work to every worker that has room."""
        self._woken = False
        if self._closed:
            return
        # Heights are carried down a whole history: not at every demand, but when there is nothing
        # else to do, or when what is fresh outweighs what that costs.
        if 2 * len(self._fresh) > len(self._operations):
            self._settle()
        while (worker := self._engine.seat()) is not None:
            group = self._next(worker)
            if not group:
                return
            jobs = [each.ref.job() for each in group]
            self._alone += jobs[0].together is None
            self.pace.begun(jobs)
            self.under_way += 1
            self._engine.submit(worker, jobs)

    def _next(self, worker: int) -> list[Operation]:
        seats, limit, growing = self._engine.seats, self._engine.group_limit, self._alone > 0
        group = self._ready.take(worker, seats, limit, growing)
        if not group and self._fresh:
            self._settle()
            group = self._ready.take(worker, seats, limit, growing)
        return group

    def _settle(self) -> None:
        """Let fresh operations have their say in who goes first, and start those that can."""
        fresh, self._fresh = self._fresh, []
        for operation in raise_heights(fresh, self._operations):
            ref = operation.ref
            if operation.waits_for or operation.started or ref.name not in self._operations:
                continue
            if isinstance(ref, ModelRef) and ref.kind != "initial" and not ref.inputs:
                self._fail(operation, f"{ref!r} was damaged; the same command computes it again")
                continue
            self._ready.add(operation)

    def _finished(self, worker: int, jobs: Sequence[Job], results: Sequence[Result]) -> None:
        if self._closed:
            return
        self._alone -= jobs[0].together is None
        self.under_way -= 1
        operations = [self._operations[job.output] for job in jobs]
        seconds = self.pace.ended(worker, jobs)
        cost = sum(each.ref.cost for each in operations)
        for operation, result in zip(operations, results, strict=True):
            if isinstance(result, Failure):
                self._failed(operation, result)
            else:
                share = None if seconds is None else seconds * operation.ref.cost / cost
                self.pace.done(operation.ref, share)
                self._finish(operation, result, worker)
        if len(self._operations) <= self._pending_limit:
            self._drained.set()
        self._dispatch()

    def _finish(self, operation: Operation, result: int | Scores, worker: int) -> None:
        ref = operation.ref
        del self._operations[ref.name]
        self.computed += 1
        if isinstance(ref, ModelRef):
            assert isinstance(result, int)
            self._store.added(ref.name, result)
            ref.inputs = ()
            if ref.kind == "trained":
                self.trainings_done += 1
                self.steps_done += ref.cost
            self._tell(self._awaited.pop(ref.name, None), None)
        else:
            assert isinstance(result, dict)
            self._store.keep_scores(ref.name, result)
            self._tell(self._scores.pop(ref.name), result)
        for waiter in operation.waiters:
            waiter.waits_for -= 1
            waiter.holder = worker
            if isinstance(waiter.ref, ScoreRef):
                # Before what is built on its model: then nothing needs the model any more.
                waiter.height = max(waiter.height, operation.height)
            if not waiter.waits_for:
                self._ready.add(waiter)

    @staticmethod
    def _tell(future: asyncio.Future[Any] | None, result: Scores | None) -> None:
        # It may have been cancelled with those that waited for it.
        if future is not None and not future.done():
            future.set_result(result)

    def _failed(self, operation: Operation, failure: Failure) -> None:
        operation.attempts += 1
        if failure.unreadable:
            self._store.lost(failure.unreadable)
        elif operation.attempts < ATTEMPTS:
            operation.started = False
            self._ready.add(operation)
            return
        self._fail(operation, failure.text)

    def _fail(self, operation: Operation, text: str) -> None:
        """Whatever waits for the operation fails with its cause."""
        failed = [operation]
        while failed:
            each = failed.pop()
            if self._operations.pop(each.ref.name, None) is None:
                continue
            self.pace.given_up(each.ref)
            name = each.ref.name
            told: asyncio.Future[Any] | None
            told = self._scores.get(name) or self._awaited.pop(name, None)
            if told is not None and not told.done():
                told.set_exception(ComputeError(text))
                told.exception()  # Whoever reads it later is told; nobody has to.
            failed += each.waiters
        self._drained.set()

    def close(self) -> None:
        """Give up what is under way, whoever waits for it."""
        self._closed = True
        for score in self._scores.values():
            score.cancel()
        for model in self._awaited.values():
            model.cancel()
        self._operations.clear()
        self._drained.set()
