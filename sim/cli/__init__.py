"""The command line: commands, progress and tables; all that prints."""

from sim.cli.commands import app, main

__all__ = ["app", "main"]
