"""What a check finds: a broken promise, or an exception of the code under test, and where."""

import inspect
import sys
import traceback
from collections.abc import Iterator

_LIBRARIES = {"braintorrent", "sim", "models", "simpy", "numpy", "torch", "pydantic", "pytest"}


class Broken(AssertionError):
    """A promise that code under test doesn't keep.

    Its first line begins with file and line and says what is wrong; what follows says how the same
    world is met again.
    """


def told(error: Exception, subject: type, again: str) -> Broken | None:
    """What to say of `error`, which came up while `subject` was tried.

    `again`: how it is met again. None if no code of the user's took part in it: the fault is ours.
    """
    place = next(_places(error, subject), None)
    if place is None and not isinstance(error, Broken):
        return None
    what = str(error) if isinstance(error, Broken) else f"{type(error).__name__}: {error}"
    return Broken(f"{place or _defined(subject)}: {what}\n{again}")


def _places(error: BaseException | None, subject: type) -> Iterator[str]:
    """File and line of the innermost frame of the code under test, of each error of a chain."""
    while error is not None:
        frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
        lines = [line for _, line in traceback.walk_tb(error.__traceback__)]
        for frame, line in reversed(list(zip(frames, lines, strict=True))):
            if _is_theirs(str(frame.f_globals.get("__name__", "")), subject):
                yield f"{frame.f_code.co_filename}:{line}"
                break
        # SimPy raises anew what came up in a process; the cause has the process's frames.
        error = error.__cause__


def _is_theirs(module: str, subject: type) -> bool:
    if module == subject.__module__:
        return True
    package = module.partition(".")[0]
    return package not in _LIBRARIES and package not in sys.stdlib_module_names


def _defined(subject: type) -> str:
    """Where the class is written, as nearly as is known."""
    try:
        file, line = inspect.getsourcefile(subject), inspect.getsourcelines(subject)[1]
    except (OSError, TypeError):  # Typed into an interpreter.
        return subject.__qualname__
    return f"{file}:{line}"
