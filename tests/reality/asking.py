"""How the commands are asked."""

import argparse
from typing import NoReturn


class Parser(argparse.ArgumentParser):
    """Says in one line what it doesn't understand."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")


def count(text: str) -> int:
    """A whole number from 1 on. Raises ArgumentTypeError for anything else."""
    if not text.isdecimal() or not (number := int(text)):
        raise argparse.ArgumentTypeError(f"is {text!r}; allowed: 1, 2, 3, ...")
    return number
