"""What commands share: arguments, where they print, and the exit codes."""

import errno
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from sim.record.words import plain_line

if TYPE_CHECKING:
    from rich.console import Console

    from sim.record.errors import ScenarioError

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
EXIT_FAILED = 1
EXIT_MISTAKE = 2
EXIT_SIGNAL = 128
"""And the number of the signal that has ended it, as shells have it."""
EXIT_INTERRUPTED = EXIT_SIGNAL + signal.SIGINT
# What a log file or a pipe gets, which have no width of their own.
PLAIN_WIDTH = 100
STORE_LIMIT = "4 GB"
"""How much disk the models under way may take, unless somebody says otherwise."""
SECONDS_BETWEEN_LINES = 1.0


def scenarios(incomplete: str) -> list[str]:
    """For a shell's completion: shipped scenarios; the shell itself adds files."""
    from importlib import resources

    found = sorted(file.name for file in resources.files("scenarios").iterdir())
    stems = (name.removesuffix(".yaml") for name in found if name.endswith(".yaml"))
    return [stem for stem in stems if stem.startswith(incomplete)]


def choices(incomplete: str) -> list[str]:
    """For a shell's completion: what `list` knows."""
    from sim.scenario.catalogue import names

    return [name for name in names() if name.startswith(incomplete)]


ScenarioName = Annotated[
    str,
    typer.Argument(help="A YAML file or a shipped one's name.", autocompletion=scenarios),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change one setting of the scenario."),
]

CodeFiles = Annotated[
    list[str] | None,
    typer.Option(
        "--code",
        metavar="FILE",
        help="Python code of your own that the scenario names: a file, a folder or a module; "
        "repeatable.",
    ),
]


def at_home(out: Path | None) -> Path | None:
    """What `--out` names: bash leaves the ~ of `--out=~/x` to us, and expands that of `--out ~/x`.

    The ~ of somebody who isn't known stays.
    """
    return out and Path(os.path.expanduser(out))  # Path's own raises.


def use_code(files: list[str] | None, scenario: str = "") -> None:
    """Let scenarios name what is in the user's code. Raises ScenarioError if it can't be read."""
    from sim.record.code import CODE_FOLDER, activate, read, suggest

    if files:
        activate(read(files))
    elif any((beside := Path(scenario).parent / CODE_FOLDER).glob("*.py")):
        suggest(str(beside))


def say(message: str) -> None:
    """One line on standard error, since standard output may be somebody's JSON.

    Where its reader has gone while there is work, the work goes on.
    """
    with suppress(OSError):
        typer.echo(plain_line(message), err=True)


def say_mistakes(error: "ScenarioError") -> None:
    """A line on standard error for each mistake."""
    for line in str(error).splitlines():
        say(line)


def show(line: str) -> None:
    """One line on standard output."""
    typer.echo(plain_line(line))


def say_how_far(what: str) -> Callable[[int, int], None]:
    """Something that is told again and again how many of all are done, and says so now and then."""
    said_s = time.monotonic()

    def told(done: int, of: int) -> None:
        nonlocal said_s
        if time.monotonic() - said_s > SECONDS_BETWEEN_LINES:
            say(f"{what} {done:,} of {of:,}")
            said_s = time.monotonic()

    return told


def console(*, stderr: bool = False) -> "Console":
    """Standard output or standard error, to draw on as long as anybody reads it."""
    from rich.console import Console

    class Drawn(Console):
        def on_broken_pipe(self) -> None:
            self.quiet = True

    terminal = (sys.stderr if stderr else sys.stdout).isatty()
    return Drawn(stderr=stderr, width=None if terminal else PLAIN_WIDTH)


@contextmanager
def mistakes_reported() -> Iterator[None]:
    """Turn a user's mistake into one line and exit code 2, and Ctrl-C into 130.

    An interruption's argument is the signal, if it was another one; a note of it says what is kept.
    """
    from sim.record.code import whose_fault
    from sim.record.errors import ScenarioError

    try:
        yield
    except ScenarioError as mistake:
        say_mistakes(mistake)
        raise typer.Exit(EXIT_MISTAKE) from None
    except Exception as error:
        # Wherever a user's code is called: it is their line that is to be mended, not ours.
        if (cause := whose_fault(error)) is None:
            raise
        say(cause)
        raise typer.Exit(EXIT_MISTAKE) from None
    except KeyboardInterrupt as interruption:
        number = signal.Signals(*(interruption.args or (signal.SIGINT,)))
        how = "interrupted" if number == signal.SIGINT else f"ended by {number.name}"
        kept = getattr(interruption, "__notes__", [])
        say(f"{how}: {kept[0]}" if kept else f"{how} before anything was written")
        raise typer.Exit(EXIT_SIGNAL + number) from None


def end_with_the_reader() -> None:
    """Let a closed pipe end this program, as others: `braintorrent list | head` says nothing."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)


def have_streams() -> None:
    """Let standard streams that were closed lead nowhere.

    Or else the next file that is opened, such as a store's, would get the number of one, and what
    others write there.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = open(os.devnull, mode, encoding="utf-8")  # noqa: SIM115
            os.set_inheritable(stream.fileno(), True)
            setattr(sys, name, stream)


@contextmanager
def output_has_room() -> Iterator[None]:
    """Say in a line that standard output can't be written: `braintorrent table FOLDER > /full/x`.

    An error of any other file has its name, or has been told before.
    """
    try:
        yield
    except OSError as error:
        if error.filename or error.errno not in _NO_ROOM:
            raise
        say(f"standard output cannot be written: {error.strerror}")
        sys.exit(EXIT_MISTAKE)


@contextmanager
def signals_interrupt() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end the work as Ctrl-C does, unless they are ignored, as by nohup."""
    received: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        received.append(number)
        # An event loop's own, which lets everybody clean up, or Python's.
        handler = signal.getsignal(signal.SIGINT)
        (handler if callable(handler) else signal.default_int_handler)(signal.SIGINT, frame)

    ours = [
        each for each in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(each) == signal.SIG_DFL
    ]
    try:
        for each in ours:
            signal.signal(each, interrupt)
        yield
    except KeyboardInterrupt as interruption:
        interruption.args = tuple(received[:1])
        raise
    finally:
        for each in ours:
            signal.signal(each, signal.SIG_DFL)


@contextmanager
def pipes_may_break() -> Iterator[None]:
    """Where there are workers and sockets, let one that closes be an error of its own."""
    before = signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGPIPE, before)
