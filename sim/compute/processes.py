"""Helper processes: forked from a server that has loaded what they need, or new interpreters.

Not those of multiprocessing, which import the program's own main module; see `helper`.
"""

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from multiprocessing.connection import Connection, Pipe
from multiprocessing.reduction import send_handle
from pathlib import Path
from subprocess import DEVNULL, Popen, TimeoutExpired
from typing import Protocol

_PROGRAM = str(Path(__file__).with_name("helper.py"))
# Libraries read them when they are imported. The last: pyarrow's allocator has a thread otherwise.
_ONE_THREAD = {
    **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}
_PATIENCE_S = 5.0
"""For a process that was told to end; then it is killed."""
CAN_FORK = sys.platform == "linux"
"""Elsewhere the system's own libraries may have threads."""


class Process(Protocol):
    """A helper; its main has the other end of `connection`. It ends with this program."""

    connection: Connection

    @property
    def pid(self) -> int:
        """The system's number of it; waits until it runs. Raises EOFError if it never will."""

    @property
    def returncode(self) -> int | None:
        """Its exit code, the negative signal that ended it, or None while it runs."""

    def wait(self, timeout_s: float | None = None) -> int | None:
        """Its return code, or None if it still runs after so many seconds."""

    def terminate(self) -> None:
        """Have it end, by SIGTERM."""

    def kill(self) -> None:
        """End it, by SIGKILL."""

    def close(self) -> None:
        """Wait for one that has ended or was told to, which may be killed for it; let go of it."""


class Processes:
    """Starts helpers, and ends them all when it is closed.

    `preload`: modules that each of them needs. None may start a thread or compute anything when it
    is imported, and none may be a user's: all helpers share what they load. `forks`: whether what
    they do after that may be done by a forked process; a CUDA device may not be.
    """

    def __init__(self, preload: Sequence[str] = (), *, forks: bool = True) -> None:
        self._preload = list(preload)
        self._forks = forks and CAN_FORK
        self._server: _Server | None = None
        self._alone: list[_Alone] = []

    def start(self, main: str) -> Process:
        """A helper that calls `main`, "module:function", with its end of the connection.

        The function ends when the connection does. Returns at once.
        """
        if not self._forks:
            self._alone = [each for each in self._alone if each.returncode is None]
            self._alone.append(_Alone(main))
            return self._alone[-1]
        if self._server is None or self._server.is_lost:
            self._server = _Server(self._preload)
        return _Forked(self._server, main)

    def close(self) -> None:
        """End all helpers at once, whatever they are doing."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for process in self._alone:
            process.terminate()
        for process in self._alone:
            process.close()


class _Alone:
    """An interpreter of its own."""

    def __init__(self, main: str) -> None:
        self.connection, theirs = Pipe()
        their_lifeline, self._lifeline = Pipe(duplex=False)
        with theirs, their_lifeline:
            self._process = _started("alone", theirs.fileno(), their_lifeline.fileno())
        _tell(self.connection, (_path(), main))

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.poll()

    def wait(self, timeout_s: float | None = None) -> int | None:
        with suppress(TimeoutExpired):
            self._process.wait(timeout_s)
        return self.returncode

    def terminate(self) -> None:
        self._process.terminate()

    def kill(self) -> None:
        self._process.kill()

    def close(self) -> None:
        if self.wait(_PATIENCE_S) is None:
            self.kill()
            self.wait()
        self.connection.close()
        self._lifeline.close()


class _Forked:
    """A child of the server, which alone may signal it and is told of its end."""

    def __init__(self, server: "_Server", main: str) -> None:
        self.connection, theirs = Pipe()
        self._server = server
        with theirs:
            self._number = server.fork(main, theirs)

    @property
    def pid(self) -> int:
        return self._server.pid_of(self._number)

    @property
    def returncode(self) -> int | None:
        return self.wait(0)

    def wait(self, timeout_s: float | None = None) -> int | None:
        return self._server.wait(self._number, timeout_s)

    def terminate(self) -> None:
        self._server.signal(self._number, signal.SIGTERM)

    def kill(self) -> None:
        self._server.signal(self._number, signal.SIGKILL)

    def close(self) -> None:
        if self.wait(_PATIENCE_S) is None:
            self.kill()
            self.wait()
        self.connection.close()


class _Server:
    """This program's side of the process that forks; a child's number is unique in it.

    Should it be lost, its children end with it, and its own exit code stands for theirs.
    """

    def __init__(self, preload: Sequence[str]) -> None:
        self._connection, theirs = Pipe()
        with theirs:
            self._process = _started("server", theirs.fileno())
        self._forked = 0
        self._pids: dict[int, int] = {}
        self._codes: dict[int, int] = {}
        _tell(self._connection, (_path(), preload))

    @property
    def is_lost(self) -> bool:
        return self._process.poll() is not None

    def fork(self, main: str, connection: Connection) -> int:
        """Have a child forked that gets this end of its connection; its number."""
        self._forked += 1
        with suppress(OSError):  # Of a lost one: the child's connection tells.
            self._connection.send((self._forked, main))
            send_handle(self._connection, connection.fileno(), self._process.pid)
        return self._forked

    def signal(self, number: int, which: signal.Signals) -> None:
        """Send a child a signal, unless it has ended."""
        _tell(self._connection, (number, int(which)))

    def pid_of(self, number: int) -> int:
        """Raises EOFError if the server ends before it has forked the child."""
        while number not in self._pids:
            self._hear()
        return self._pids[number]

    def wait(self, number: int, timeout_s: float | None) -> int | None:
        """A child's exit code; None if it still runs after so many seconds."""
        try:
            while number not in self._codes:
                if not self._connection.poll(timeout_s):
                    return None
                self._hear()
        except (EOFError, OSError):  # It was lost, or closed, and has killed its children.
            return self._process.wait() or -signal.SIGKILL
        return self._codes[number]

    def _hear(self) -> None:
        try:
            number, what, value = self._connection.recv()
        except OSError:
            raise EOFError from None
        (self._pids if what == "started" else self._codes)[number] = value

    def close(self) -> None:
        """End it; it takes its children with it."""
        self._process.terminate()
        try:
            self._process.wait(_PATIENCE_S)
        except TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._connection.close()


def _tell(connection: Connection, message: object) -> None:
    """Send it; a process that is dead says so by its connection's end."""
    with suppress(OSError):
        connection.send(message)


def _path() -> list[str]:
    return list(map(os.path.abspath, sys.path))


def _started(role: str, *descriptors: int) -> Popen[bytes]:
    """A process that inherits these descriptors; see `helper`."""
    warnings = [f"-W{option}" for option in sys.warnoptions]
    # -P: what lies beside the program is no business of its imports.
    command = [sys.executable, "-P", *warnings, _PROGRAM, role, *map(str, descriptors)]
    with _interrupts_held():
        return Popen(command, stdin=DEVNULL, env=os.environ | _ONE_THREAD, pass_fds=descriptors)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """A new process inherits the mask: Ctrl-C can't hit it before it ignores the signal."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
