"""The memory of a sweep: results of real operations by name, in a folder or in this process.

Scores are always kept; models within a limit, beyond which the oldest go that nothing pending
needs. It is all that a resume, and another run with the same history, need to find.
"""

import errno
import json
from collections import OrderedDict
from collections.abc import Callable, Container, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sim.compute.refs import Vector
from sim.compute.store.score_file import ScoreFile
from sim.compute.store.vectors import DamagedVector, VectorFolder, VectorMemory, Vectors

# Without blanks; and built once, since json.dumps with an option builds one at each call.
_as_json = json.JSONEncoder(separators=(",", ":")).encode


class _Eviction:
    """The models that there are, oldest first, and which of them go when they are too many.

    Those in use are never among them, whatever the limit. However many are in use, the questions
    are at most 1 + `_QUESTIONS` times the additions.
    """

    _QUESTIONS = 8

    def __init__(self, limit_bytes: int, in_use: Container[str]) -> None:
        self._limit_bytes = limit_bytes
        self._in_use = in_use
        # All in `_spared` are older than all in `_queue`: they were in use when they were asked
        # about, and are asked about again when enough have been added since to pay for it. That
        # is when there are an eighth more: no worse than a somewhat higher limit.
        self._spared: OrderedDict[str, int] = OrderedDict()
        self._queue: OrderedDict[str, int] = OrderedDict()
        self._total_bytes = 0
        self._added = 0

    def __contains__(self, name: str) -> bool:
        return name in self._queue or name in self._spared

    def put(self, name: str, size_bytes: int) -> None:
        self.drop(name)
        self._queue[name] = size_bytes
        self._total_bytes += size_bytes
        self._added += 1

    def drop(self, name: str) -> None:
        self._total_bytes -= self._queue.pop(name, 0) + self._spared.pop(name, 0)

    def clear(self) -> None:
        self._spared.clear()
        self._queue.clear()
        self._total_bytes = 0

    def take_surplus(self) -> Iterator[str]:
        """Names that are dropped, until the rest is within the limit or in use."""
        if self._total_bytes > self._limit_bytes:
            self._ask_again()
        while self._total_bytes > self._limit_bytes and self._queue:
            name, size_bytes = self._queue.popitem(last=False)
            if name in self._in_use:
                self._spared[name] = size_bytes
            else:
                self._total_bytes -= size_bytes
                yield name

    def _ask_again(self) -> None:
        if len(self._spared) > self._QUESTIONS * self._added:
            return
        while self._spared:
            name, size_bytes = self._spared.popitem()
            self._queue[name] = size_bytes
            self._queue.move_to_end(name, last=False)
        self._added = 0


class Store:
    """Scores and models in a folder, whose lock this process holds; without one, in memory.

    `in_use`: names of the models that pending work needs. `tell` is given what the user should
    know. `vectors`: where workers read and write models, if elsewhere. Raises OSError at
    construction if the folder cannot be written.
    """

    def __init__(
        self,
        folder: Path | None,
        limit_bytes: int,
        in_use: Container[str],
        tell: Callable[[str], None],
        vectors: Vectors | None = None,
    ) -> None:
        if folder is not None:
            (folder / "models").mkdir(parents=True, exist_ok=True)
            vectors = vectors or VectorFolder(folder / "models")
        self.vectors: Vectors = vectors or VectorMemory()
        self._tell = tell
        self._models = _Eviction(limit_bytes, in_use)
        self._unverified: set[str] = set()
        self._scores = ScoreFile(None if folder is None else folder / "scores.jsonl")
        self._refused = False
        for name, size_bytes in self.vectors.sizes().items():
            self._models.put(name, size_bytes)
            self._unverified.add(name)
        if self._scores.replaced:
            self._tell(f"store: {self._scores.path} was no file; its scores are computed again")
        if damaged := self._scores.damaged:
            which = ", ".join(map(str, damaged[:3])) + (", ..." if len(damaged) > 3 else "")
            self._tell(
                f"store: {self._scores.path} has damaged lines ({len(damaged)}: {which}); "
                "their scores are computed again"
            )

    def holds(self, name: str) -> bool:
        """Whether the model is there and whole: an earlier session's is read to know it."""
        if name in self._unverified:
            self._unverified.discard(name)
            try:
                self.vectors.read(name)
            except (DamagedVector, FileNotFoundError) as problem:
                self.lost(name, problem)
        return name in self._models

    async def fetch(self, name: str) -> Vector:
        """The vector [P] of a model that is there. Raises DamagedVector or FileNotFoundError if it
        has not stayed there, or not whole; it is lost then.
        """
        try:
            return await self.vectors.fetch(name)
        except (DamagedVector, FileNotFoundError) as problem:
            self.lost(name)
            raise problem

    def added(self, name: str, size_bytes: int) -> None:
        """A worker has written the model: it is there from now on, and others may have to go."""
        self._unverified.discard(name)
        self._models.put(name, size_bytes)
        for surplus in self._models.take_surplus():
            self._remove(surplus)

    def lost(self, name: str, problem: Exception | None = None) -> None:
        """The model could not be read: it is not there from now on; the problem is reported."""
        self._models.drop(name)
        self._remove(name)
        if problem is not None:
            self._tell(f"store: {problem}; the model is computed again")

    def scores(self, name: str) -> dict[str, float] | None:
        """The scores of that name, if they are known."""
        known = self._scores.get(name)
        return None if known is None else json.loads(known)

    def keep_scores(self, name: str, scores: Mapping[str, float]) -> None:
        """Know them from now on, and in later sessions unless the disk refuses them."""
        if self._scores.get(name) is not None:
            return
        # `float`, since numpy's own kinds of number are unknown to json.
        text = _as_json({metric: float(value) for metric, value in scores.items()})
        with self._refusal_told():
            self._scores.append(name, text.encode())

    def forget_models(self) -> None:
        """The sweep is finished: nothing needs a model any more."""
        self._models.clear()
        self._unverified.clear()
        with self._refusal_told():
            self.vectors.clear()

    def close(self) -> None:
        """Let go of the folder; models and scores stay there."""
        with self._refusal_told():
            self._scores.close()

    def _remove(self, name: str) -> None:
        self._unverified.discard(name)
        with self._refusal_told():
            self.vectors.remove(name)

    @contextmanager
    def _refusal_told(self) -> Iterator[None]:
        """Once: the sweep goes on without the disk, and every later write may fail as well."""
        try:
            yield
        except OSError as failure:
            if self._refused:
                return
            self._refused = True
            full = failure.errno in (errno.ENOSPC, errno.EDQUOT)
            what = "disk is full" if full else f"folder cannot be written: {failure.strerror}"
            self._tell(
                f"store: the {what}; work goes on, but what is not kept is computed again later"
            )
