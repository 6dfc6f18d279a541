"""What all commands share: a word to the user on standard error, and the exit codes.

A room of its own because the commands stand in two rooms, and a mistake must end in the same line
and code in both.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import typer

EXIT_FAILED = 1
EXIT_MISTAKE = 2
EXIT_INTERRUPTED = 130


def say(message: str) -> None:
    """A line on standard error, since standard output may be somebody's JSON."""
    typer.echo(message, err=True)


@contextmanager
def mistakes_reported() -> Iterator[None]:
    """Turn a user's mistake into one line and exit code 2, and Ctrl-C into 130."""
    from sim.errors import ScenarioError

    try:
        yield
    except ScenarioError as mistake:
        say(str(mistake))
        raise typer.Exit(EXIT_MISTAKE) from None
    except KeyboardInterrupt:
        say("interrupted before anything was written")
        raise typer.Exit(EXIT_INTERRUPTED) from None
