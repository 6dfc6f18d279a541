"""What commands share: arguments, a word to the user on standard error, and the exit codes.

A room of its own because the commands stand in two rooms, and a mistake must end in the same line
and code in both.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

EXIT_FAILED = 1
EXIT_MISTAKE = 2
EXIT_INTERRUPTED = 130

ScenarioName = Annotated[str, typer.Argument(help="A YAML file or a shipped one's name.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Change one setting of the scenario."),
]


def say(message: str) -> None:
    """A line on standard error, since standard output may be somebody's JSON."""
    typer.echo(message, err=True)


@contextmanager
def mistakes_reported() -> Iterator[None]:
    """Turn a user's mistake into one line and exit code 2, and Ctrl-C into 130."""
    from sim.record.errors import ScenarioError

    try:
        yield
    except ScenarioError as mistake:
        say(str(mistake))
        raise typer.Exit(EXIT_MISTAKE) from None
    except KeyboardInterrupt:
        say("interrupted before anything was written")
        raise typer.Exit(EXIT_INTERRUPTED) from None
