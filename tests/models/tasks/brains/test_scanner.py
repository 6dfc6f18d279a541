"""Scanners: fixed for a site, scaled by their strength, and noisy anew for each person."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models.bits import generator
from models.tasks.brains.atlas import TISSUES
from models.tasks.brains.generation import Scanner, normalised, scanned, scanner_of

FLAT = Scanner(1.0, (0.0,) * len(TISSUES), (0.0,) * 20, 1e-3, 1.0, 0.0)


def picture(scanner: Scanner, draw: int = 0) -> Any:
    t1 = np.full((4, 16, 16), 0.5, dtype=np.float32)
    tissues = np.zeros((len(TISSUES), *t1.shape), dtype=np.float32)
    tissues[0, :, :8] = 1
    return scanned(scanner, t1, tissues, np.eye(4), generator(0, "noise", draw))


def changed(**change: Any) -> Scanner:
    return Scanner(**vars(FLAT) | change)


def test_a_scanner_without_effects_shows_the_signal() -> None:
    assert picture(FLAT) == pytest.approx(0.5)


def test_each_effect_does_what_its_name_says() -> None:
    assert picture(changed(gamma=2.0)) == pytest.approx(0.25)
    assert picture(changed(gain=3.0)) == pytest.approx(1.5)
    contrast = picture(changed(contrast=(0.2, *FLAT.contrast[1:])))
    assert contrast[:, :8] == pytest.approx(0.7)
    assert contrast[:, 8:] == pytest.approx(0.5)
    assert picture(changed(bias=(np.log(2), *FLAT.bias[1:]))) == pytest.approx(1.0)
    assert np.ptp(picture(changed(bias=(0.0, 0.5, *FLAT.bias[2:])))) > 0.3


def test_noise_is_rician() -> None:
    dark = changed(gamma=30.0, noise=0.1)  # 0.5 ** 30 is no signal
    pixels = picture(dark)
    assert pixels.min() >= 0
    # Without signal Rician noise is Rayleigh's.
    assert pixels.mean() == pytest.approx(0.1 * np.sqrt(np.pi / 2), rel=0.05)
    assert not np.array_equal(pixels, picture(dark, draw=1))


def test_a_site_keeps_its_scanner_and_strength_0_gives_all_the_same() -> None:
    assert scanner_of(1, 0, 1.0) == scanner_of(1, 0, 1.0)
    assert scanner_of(1, 0, 1.0) != scanner_of(2, 0, 1.0)
    assert scanner_of(1, 0, 1.0) != scanner_of(1, 1, 1.0)
    assert scanner_of(1, 0, 0.0) == scanner_of(2, 5, 0.0)


def test_strength_scales_what_differs() -> None:
    half, whole = scanner_of(3, 0, 0.5), scanner_of(3, 0, 1.0)
    assert np.allclose(2 * np.array(half.contrast), whole.contrast)
    assert np.allclose(2 * np.array(half.bias), whole.bias)
    assert half.gamma**2 == pytest.approx(whole.gamma)


def test_percentiles_of_the_brain_become_nought_and_one() -> None:
    images = np.linspace(0, 50, 1000, dtype=np.float32).reshape(10, 10, 10)
    brain = images > 10
    scaled = normalised(images, brain)
    assert scaled.dtype == np.float32
    assert (scaled.min(), scaled.max()) == (0, 1)
    assert not scaled[~brain].any()
    assert np.array_equal(scaled, normalised(7 * images, brain)) or np.allclose(
        scaled, normalised(7 * images, brain), atol=1e-6
    )
