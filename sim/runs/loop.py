"""Has asynchronous work done to its end, also where a loop runs already, as in a notebook."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")
BEGINS_WITHIN_S = 5.0


def to_its_end(work: Coroutine[Any, Any, T]) -> T:
    """What the coroutine returns or raises. Ctrl-C cancels it, and is raised when it has ended."""
    return _in_a_thread(work) if _a_loop_runs() else asyncio.run(work)


def _a_loop_runs() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _in_a_thread(work: Coroutine[Any, Any, T]) -> T:
    """A thread has one loop at most, so the work gets another thread; this one waits for it."""
    begun: Future[asyncio.Task[Any] | None] = Future()

    async def begin() -> T:
        begun.set_result(asyncio.current_task())
        return await work

    with ThreadPoolExecutor(1, "braintorrent") as thread:
        # An executor waits at its end only for threads that had started when Ctrl-C came.
        thread.submit(int).result()
        try:
            return thread.submit(asyncio.run, begin()).result()
        except KeyboardInterrupt:
            _cancel(begun)
            raise


def _cancel(begun: Future[asyncio.Task[Any] | None]) -> None:
    # Either it has never begun, or it has just ended by itself.
    with suppress(TimeoutError, RuntimeError):
        if task := begun.result(timeout=BEGINS_WITHIN_S):
            task.get_loop().call_soon_threadsafe(task.cancel)
