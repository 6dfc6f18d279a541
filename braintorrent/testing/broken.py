"""What a check finds: a broken promise, or an exception of the code under test, and where."""

import inspect
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sim.record.errors import Refusal, ScenarioError

_LIBRARIES = {"braintorrent", "sim", "models", "simpy", "numpy", "torch", "pydantic", "pytest"}


class Broken(AssertionError):
    """A promise that code under test doesn't keep.

    Its first line begins with file and line and says what is wrong; what follows says how the same
    world is met again.
    """


@contextmanager
def explained(
    subject: Any, again: Callable[[], str], *, is_all_theirs: bool = False
) -> Iterator[None]:
    """Let what goes wrong with `subject`, a class or a function, be Broken, and say where.

    `again`: says how it is met again. An exception in which no code of theirs took part goes its
    way, unless all that is run is; so does what says already how a user is mistaken.
    """
    try:
        yield
    except (Refusal, ScenarioError):
        raise
    except Exception as error:
        place = next(_places(error, subject.__module__), None)
        if place is None and not (is_all_theirs or isinstance(error, Broken)):
            raise
        what = str(error) if isinstance(error, Broken) else f"{type(error).__name__}: {error}"
        found = Broken(f"{place or _defined(subject)}: {what}\n{again()}".rstrip())
        raise found from (None if isinstance(error, Broken) else error)


def _places(error: BaseException | None, own: str) -> Iterator[str]:
    """File and line of the innermost frame of the code under test, of each error of a chain.

    `own`: the module of what is under test; what it uses of the user's counts, too.
    """
    while error is not None:
        for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
            module = str(frame.f_globals.get("__name__", ""))
            package = module.partition(".")[0]
            theirs = package not in _LIBRARIES and package not in sys.stdlib_module_names
            if module == own or theirs:
                yield f"{frame.f_code.co_filename}:{line}"
                break
        # SimPy raises anew what came up in a process; the cause has the process's frames.
        error = error.__cause__


def _defined(subject: Any) -> str:
    """Where it is written, as nearly as is known."""
    try:
        file, line = inspect.getsourcefile(subject), inspect.getsourcelines(subject)[1]
    except (OSError, TypeError):  # Typed into an interpreter.
        return str(subject.__qualname__)
    return f"{file}:{line}"
