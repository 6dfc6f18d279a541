"""The examples in the kit's docstrings are true."""

import doctest
import importlib

import pytest


@pytest.mark.parametrize(
    ("module", "examples"),
    [("", 7), (".checks", 3), (".networks", 1), (".partitions", 1), (".playing", 3), (".tiny", 1)],
)
def test_examples(module: str, examples: int) -> None:
    failed, tried = doctest.testmod(importlib.import_module(f"braintorrent.testing{module}"))
    assert (failed, tried) == (0, examples)
