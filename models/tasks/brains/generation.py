"""Subjects made from people: each one's anatomy, seen by the scanner of the own site.

A scanner decides contrast, shading, blur, gain and noise.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
import torchio

from models.bits import generator
from models.tasks.brains.anatomy import COARSE, Anatomy, anatomy_of, mapped, widening_of
from models.tasks.brains.atlas import SPACING_MM, STRUCTURES, TISSUES, Atlas, looked_up, read_atlas
from models.tasks.brains.recruitment import Person
from models.tasks.cohort import Cohort, Subject
from models.tasks.settings import Tell

HEAD_MM = 168.0
"""A slice's side: the tallest brain fits in."""
LENGTH_MM = 160.0
"""How much of the brain, from back to front, the slices cover: the shortest brain is longer."""
_EVERY = 5
"""After how many subjects there is something to tell."""

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


def generated(
    people: Sequence[Person],
    image_size: int,
    slices: int,
    site_effects: float,
    data_seed: int,
    tell: Tell,
) -> Cohort:
    """The people's subjects in their order; `tell` is told how far it has come."""
    subjects: list[Subject] = []
    shape = slices, image_size, image_size
    with _undisturbed():
        atlas = read_atlas(HEAD_MM / image_size)
        widening = widening_of(atlas)
        for person in people:
            draws, noise = (_draws(data_seed, person, what) for what in ("anatomy", "noise"))
            body = anatomy_of(atlas, widening, draws, person.age_years)
            affine = slices_of(atlas, body, shape)
            pixels = np.indices(shape, dtype=np.float64)
            voxels = body.in_atlas(mapped(affine[:3, :3], affine[:3, 3], pixels))
            t1 = looked_up(atlas.t1, voxels, order=1)
            tissues = np.stack([looked_up(tissue, voxels, order=1) for tissue in atlas.tissues])
            scanner = scanner_of(person.site, data_seed, site_effects)
            seen = scanned(scanner, t1, tissues, affine, noise)
            # The skull is stripped already, as a pipeline would do it.
            images = normalised(seen, looked_up(atlas.brain, voxels, order=0))
            labels = looked_up(atlas.labels, voxels, order=0)
            subjects.append(Subject(person.name, person.site, person.split, images, labels, affine))
            if len(subjects) % _EVERY == 0:
                tell(f"{len(subjects)} of {len(people)} subjects generated")
    return Cohort(tuple(subjects), tuple(STRUCTURES))


def _draws(data_seed: int, person: Person, what: str) -> np.random.Generator:
    return generator(data_seed, f"brains_{person.split}_{what}", person.number)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Generate on one thread, for bits may depend on their number, and leave torch as it was.

    TorchIO asks torch's global generator whether to apply a transform, even one that always is.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        torch.set_num_threads(threads)


def slices_of(
    atlas: Atlas, anatomy: Anatomy, shape: tuple[int, int, int]
) -> npt.NDArray[np.float64]:
    """Slices from back to front around the middle of the subject's labels.

    Rows run from superior to inferior and columns from the person's left to the right, so an image
    with row 0 on top shows the head upright, as if seen from behind. Gives the affine [4, 4] that
    takes (slice, row, column, 1) to millimetres.
    """
    slices, _, image_size = shape
    step, pixel = LENGTH_MM / slices, HEAD_MM / image_size
    right, front, top = _middle_mm(atlas, anatomy)
    half = (image_size - 1) / 2
    affine = np.zeros((4, 4))
    affine[:, 0] = 0, step, 0, 0
    affine[:, 1] = 0, 0, -pixel, 0
    affine[:, 2] = pixel, 0, 0, 0
    affine[:, 3] = right - half * pixel, front - (slices - 1) / 2 * step, top + half * pixel, 1
    return affine


def _middle_mm(atlas: Atlas, anatomy: Anatomy) -> npt.NDArray[np.float64]:
    """The middle of the box around the subject's labels."""
    step = COARSE * SPACING_MM
    axes = [
        start + step * np.arange(-(-size // COARSE))
        for start, size in zip(atlas.origin_mm, atlas.labels.shape, strict=True)
    ]
    points = np.stack(np.meshgrid(*axes, indexing="ij"))
    inside = np.nonzero(looked_up(atlas.labels, anatomy.in_atlas(points), order=0))
    return np.array(
        [axis[[at.min(), at.max()]].mean() for axis, at in zip(axes, inside, strict=True)]
    )


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
    image = torchio.ScalarImage(
        tensor=torch.from_numpy(np.clip(signal, 0, None))[None], affine=affine
    )
    distort = torchio.Compose(
        [
            torchio.Gamma(scanner.gamma),
            torchio.BiasField(list(scanner.bias), _BIAS_ORDER),
            torchio.Blur((0.0, scanner.blur_mm, scanner.blur_mm)),
        ]
    )
    seen = distort(image).data[0].numpy()
    real, imaginary = scanner.noise * draws.standard_normal((2, *seen.shape))
    return np.asarray(scanner.gain * np.hypot(seen + real, imaginary), dtype=np.float32)


def normalised(images: Images, brain: npt.NDArray[np.bool_]) -> Images:
    """The brain's 1st to 99th percentile as 0..1, clipped, and 0 around it."""
    low, high = np.percentile(images[brain], (1, 99))
    scaled = np.clip((images - low) / (high - low), 0, 1)
    return np.where(brain, scaled, 0).astype(np.float32)
