"""What a helper process runs: a function over a connection, or a server that forks such helpers.

It is started as a file, with its descriptors, and imports nothing of the program that started it:
that may be a notebook, or a script without a main guard.
"""

import gc
import importlib
import os
import signal
import sys
import threading
from multiprocessing.connection import Connection, wait
from multiprocessing.reduction import recv_handle
from typing import NoReturn


def main() -> None:
    """Serve whoever started this process: `helper.py alone|server CONNECTION [LIFELINE]`."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's business.
    role, *descriptors = sys.argv[1:]
    connection, *others = (Connection(int(descriptor)) for descriptor in descriptors)
    if role == "alone":
        _end_with(*others)
    # Before anything of ours is imported: it is found where the parent has found it.
    sys.path[:], told = connection.recv()
    if role == "alone":
        _call(told, connection)
    else:
        _Server(connection, told).serve()


def _end_with(lifeline: Connection) -> None:
    """Whatever kills the other end's holder: no orphan works on."""

    def watch() -> None:
        lifeline.poll(None)  # Nobody writes there, so it is the end.
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _call(main: str, connection: Connection) -> None:
    """Call "module:function"."""
    module, _, function = main.partition(":")
    getattr(importlib.import_module(module), function)(connection)


class _Server:
    """Loads modules once and forks helpers that have them.

    It stays single-threaded and computes nothing: what is forked has no lock that nobody holds.
    """

    def __init__(self, connection: Connection, modules: list[str]) -> None:
        self._connection = connection
        self._numbers: dict[int, int] = {}
        """The parent's number of each living child, by process."""
        for name in modules:
            importlib.import_module(name)
        gc.freeze()  # A collection in a child would copy the pages that it marks.
        self._lifeline, self._alive = os.pipe()
        self._deaths, death = os.pipe()
        os.set_blocking(death, False)
        signal.set_wakeup_fd(death)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))

    def serve(self) -> None:
        """Until the parent is gone, or says so; the children end with this process."""
        try:
            while True:
                ready = wait([self._connection, self._deaths])
                if self._deaths in ready:
                    os.read(self._deaths, 1024)
                    self._tell_deaths()
                if self._connection in ready:
                    self._obey(*self._connection.recv())
        except (EOFError, OSError):
            return
        finally:
            for process in self._numbers:
                os.kill(process, signal.SIGKILL)
            for process in self._numbers:
                os.waitpid(process, 0)

    def _obey(self, number: int, wish: str | int) -> None:
        """Fork the helper of that number, "module:function", or send it a signal."""
        if isinstance(wish, str):
            self._fork(number, wish, recv_handle(self._connection))
            return
        for process, each in self._numbers.items():
            if each == number:
                os.kill(process, wish)

    def _fork(self, number: int, main: str, descriptor: int) -> None:
        # A child that this handler of SIGTERM hit would take the others with it.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        process = os.fork()
        if not process:
            self._become(main, Connection(descriptor))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        os.close(descriptor)
        self._numbers[process] = number
        self._connection.send((number, "started", process))

    def _become(self, main: str, connection: Connection) -> NoReturn:
        """In the child: be a helper, and nothing of the server."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for each in (signal.SIGCHLD, signal.SIGTERM):
                signal.signal(each, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
            self._connection.close()
            os.close(self._alive)
            _end_with(Connection(self._lifeline, writable=False))
            _call(main, connection)
            code = 0
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _tell_deaths(self) -> None:
        while self._numbers and (found := os.waitpid(-1, os.WNOHANG))[0]:
            code = os.waitstatus_to_exitcode(found[1])
            self._connection.send((self._numbers.pop(found[0]), "ended", code))


if __name__ == "__main__":
    main()
