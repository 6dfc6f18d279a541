"""What a scanner makes of an anatomy: contrast, shading, blur, gain and noise, fixed for a site."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from models.bits.generators import generator
from models.tasks.brains.atlas import TISSUES

Images = npt.NDArray[np.float32]

_BIAS_ORDER = 3
_BIAS_TERMS = 20  # products x^i y^j z^k with i + j + k <= 3

# What differs between sites, at strength 1: each is drawn evenly from -1..1 times this.
_LOG_GAMMA = 0.35
_CONTRAST = 0.07  # of white matter's signal, added to each tissue
_BIAS = 0.25
_LOG_BLUR = 0.6
_LOG_GAIN = 1.0
_LOG_NOISE = 0.7

# The scanner in the middle of them all.
_BLUR_MM = 0.8
_NOISE = 0.03  # of white matter's signal


@dataclass(frozen=True)
class Scanner:
    """How one site sees: `gamma` and `contrast` (per tissue) of the signal, `bias` coefficients of
    the field's logarithm, `blur_mm` the sigma within a slice, `gain`, and `noise` before it."""

    gamma: float
    contrast: tuple[float, ...]
    bias: tuple[float, ...]
    blur_mm: float
    gain: float
    noise: float


def scanner_of(site: int, data_seed: int, strength: float) -> Scanner:
    """The scanner of a site; all are the same one where `strength` is 0."""
    draws = generator(data_seed, "brains_scanner", site)

    def drawn(width: float, size: int = 1) -> npt.NDArray[np.float64]:
        return strength * width * draws.uniform(-1, 1, size)

    gamma, blur, gain, noise = (
        float(np.exp(drawn(width)[0])) for width in (_LOG_GAMMA, _LOG_BLUR, _LOG_GAIN, _LOG_NOISE)
    )
    contrast = tuple(drawn(_CONTRAST, len(TISSUES)).tolist())
    bias = tuple(drawn(_BIAS, _BIAS_TERMS).tolist())
    return Scanner(gamma, contrast, bias, _BLUR_MM * blur, gain, _NOISE * noise)


def scanned(
    scanner: Scanner,
    t1: Images,
    tissues: Images,
    affine: npt.NDArray[np.float64],
    draws: np.random.Generator,
) -> Images:
    """What the scanner shows of signal `t1` [slices, height, width], made of `tissues` [t, ...].

    `draws` gives the noise: Gaussian in both channels of the coil, hence Rician in the image.
    Source: Gudbjartsson and Patz, "The Rician distribution of noisy MRI data", 1995.
    """
    signal = t1.copy()
    for offset, tissue in zip(scanner.contrast, tissues, strict=True):
        signal += np.float32(offset) * tissue
    seen = _distorted(scanner, np.clip(signal, 0, None), affine)
    real, imaginary = scanner.noise * draws.standard_normal((2, *seen.shape))
    return np.asarray(scanner.gain * np.hypot(seen + real, imaginary), dtype=np.float32)


def _distorted(scanner: Scanner, signal: Images, affine: npt.NDArray[np.float64]) -> Images:
    import torchio

    within = (0.0, scanner.blur_mm, scanner.blur_mm)
    steps: list[Any] = [
        torchio.Gamma(scanner.gamma),
        torchio.BiasField(list(scanner.bias), _BIAS_ORDER),
        torchio.Blur(within),
    ]
    image = torchio.ScalarImage(tensor=torch.from_numpy(signal)[None], affine=affine)
    for step in steps:
        image = step(image)
    return np.asarray(image.data[0].numpy())


def normalised(images: Images, brain: npt.NDArray[np.bool_]) -> Images:
    """The brain's 1st to 99th percentile as 0..1, clipped, and 0 around it."""
    low, high = np.percentile(images[brain], (1, 99))
    scaled = np.clip((images - low) / (high - low), 0, 1)
    return np.where(brain, scaled, 0).astype(np.float32)
