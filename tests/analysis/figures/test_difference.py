"""Differences under one seed: what a seed does to both cancels."""

from pathlib import Path

import numpy as np
import pytest

from analysis.figures.difference import difference, difference_data
from sim.record.errors import ResultError
from tests.analysis.figures.looked_at import a_sweep, drawn, keys, ys


def test_what_seeds_share_cancels(tmp_path: Path) -> None:
    found = difference_data(a_sweep(tmp_path))
    assert found["protocol"].tolist() == ["local", "local"]
    np.testing.assert_allclose(found["varied"] * 3600, [1, 3])
    np.testing.assert_allclose(found[["mean", "low", "high"]], -0.1)


def test_any_protocol_may_be_the_reference(tmp_path: Path) -> None:
    results = a_sweep(tmp_path)
    figure = drawn(difference(results, baseline="local"))
    assert keys(figure) == ["fedavg", "each of the two seeds", "local"]
    assert figure.axes[0].get_ylabel() == "mean client's accuracy, minus local's"
    assert ys(figure.axes[0].get_lines()[0]).tolist() == [0.0, 0.0]


def test_references_that_are_not_there(tmp_path: Path) -> None:
    alone = a_sweep(tmp_path / "alone", protocols="{local: {}}")
    with pytest.raises(ResultError, match="no protocol but local has a finished run"):
        difference(alone)
    with pytest.raises(ResultError, match="has no protocol 'x'; allowed: local"):
        difference(alone, baseline="x")
