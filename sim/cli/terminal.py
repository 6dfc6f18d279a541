"""What commands share: arguments, where they print, and the exit codes."""

import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sim.record.words import plain_text

if TYPE_CHECKING:
    from rich.console import Console

EXIT_FAILED = 1
EXIT_MISTAKE = 2
EXIT_INTERRUPTED = 130
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


def use_code(files: list[str] | None, scenario: str = "") -> None:
    """Let scenarios name what is in the user's code. Raises ScenarioError if it can't be read."""
    from sim.record.code import CODE_FOLDER, activate, read, suggest

    if files:
        activate(read(files))
    elif any((beside := Path(scenario).parent / CODE_FOLDER).glob("*.py")):
        suggest(str(beside))


def say(message: str) -> None:
    """A line on standard error, since standard output may be somebody's JSON."""
    typer.echo(plain_text(message), err=True)


def show(line: str) -> None:
    """A line on standard output."""
    typer.echo(plain_text(line))


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
    """Standard output or standard error, to draw on."""
    from rich.console import Console

    terminal = (sys.stderr if stderr else sys.stdout).isatty()
    return Console(stderr=stderr, width=None if terminal else PLAIN_WIDTH)


@contextmanager
def mistakes_reported() -> Iterator[None]:
    """Turn a user's mistake into one line and exit code 2, and Ctrl-C into 130.

    What is kept of interrupted work, a note of the interruption says.
    """
    from sim.record.code import whose_fault
    from sim.record.errors import ScenarioError

    try:
        yield
    except ScenarioError as mistake:
        say(str(mistake))
        raise typer.Exit(EXIT_MISTAKE) from None
    except Exception as error:
        # Wherever a user's code is called: it is their line that is to be mended, not ours.
        if (cause := whose_fault(error)) is None:
            raise
        say(cause)
        raise typer.Exit(EXIT_MISTAKE) from None
    except KeyboardInterrupt as interruption:
        kept = getattr(interruption, "__notes__", [])
        say(f"interrupted: {kept[0]}" if kept else "interrupted before anything was written")
        raise typer.Exit(EXIT_INTERRUPTED) from None


def end_with_the_reader() -> None:
    """Let a closed pipe end this program, as others: `braintorrent list | head` says nothing."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)


@contextmanager
def pipes_may_break() -> Iterator[None]:
    """Where there are workers and sockets, let one that closes be an error of its own."""
    before = signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGPIPE, before)
