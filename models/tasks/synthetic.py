"""Synthetic(alpha, beta): for each of any number of clients a classification problem of its own.

Client k labels its samples x by y = argmax(softmax(W_k x + b_k)). Its model has the mean u_k ~
N(0, alpha), W_k ~ N(u_k, 1), b_k ~ N(u_k, 1). Its samples are x ~ N(v_k, S), S diagonal with S_jj =
j^-1.2, and v_k ~ N(B_k, 1), B_k ~ N(0, beta). Source: Li, Sahu, Zaheer, Sanjabi, Talwalkar and
Smith 2020, arXiv 1812.06127, appendix C.1. As in the authors' program, alpha and beta are standard
deviations, and Synthetic_iid has one W ~ N(0, 1), b ~ N(0, 1) and v = 0 for all.

That program draws one number u_k for the whole of W_k and b_k. It adds u_k (1 + sum_j x_j) to the
score of every class, so alpha changes no label; with one for each class (`means`) it does.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self, TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import Discriminator, Field, Tag, model_validator

from models.bits import generator
from models.tasks.settings import SupervisedSettings, Tell, check_fractions
from sim.record.errors import Refusal
from sim.record.settings.base import Settings

if TYPE_CHECKING:
    from models.tasks.task import Task

Floats: TypeAlias = npt.NDArray[np.float32]
Ints: TypeAlias = npt.NDArray[np.int64]

MOST_NUMBERS = 2**32
"""Of all samples together, 4 bytes each: more fits no machine that simulates."""
_WORTH_TELLING = 10_000  # clients

_Size = Annotated[int, Field(ge=3, le=10**9)]
"""One sample to train on, one to test on and one to validate on."""
_Skew = Annotated[float, Field(ge=0, le=1000)]
_Share = Annotated[float, Field(gt=0, lt=1)]


class Sizes(Settings):
    """Uneven sizes: `minimum` + exp(N(mu, sigma)), rounded down, and at most `maximum`."""

    mu: Annotated[float, Field(ge=-100, le=100)] = Field(
        default=4.0, description="mean of the logarithm"
    )
    sigma: Annotated[float, Field(ge=0, le=10)] = Field(
        default=2.0, description="standard deviation of the logarithm"
    )
    minimum: _Size = Field(default=50, description="what every client has at least")
    maximum: _Size = Field(default=1000, description="what no client has more than")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.maximum < self.minimum:
            what = f"{self.maximum} is less than the minimum"
            raise Refusal(what, f"at least {self.minimum}", ("maximum",))
        return self

    def draw(self, draws: np.random.Generator) -> int:
        """The size of one client's data."""
        more = np.exp(self.mu + self.sigma * draws.standard_normal())
        return int(min(self.maximum, self.minimum + np.floor(more)))


def _number_or_sizes(data: Any) -> str:
    return "sizes" if isinstance(data, (dict, Sizes)) else "number"


_Samples = Annotated[
    Annotated[_Size, Tag("number")] | Annotated[Sizes, Tag("sizes")],
    Discriminator(_number_or_sizes),
]


@functools.cache
def _deviations(features: int) -> Floats:
    """Of each feature: the square root of the variance j^-1.2."""
    return np.arange(1.0, 1 + features, dtype=np.float32) ** np.float32(-0.6)


@dataclass(frozen=True)
class _Problem:
    """How one client's samples are made: `weights` [features, classes], `biases` [classes], and
    the `centre` [features] of its samples.
    """

    weights: Floats
    biases: Floats
    centre: Floats

    def samples(self, draws: np.random.Generator, count: int) -> tuple[Floats, Ints]:
        """Samples [count, features] and their labels [count]."""
        inputs = draws.standard_normal((count, len(self.centre)), dtype=np.float32)
        inputs *= _deviations(len(self.centre))
        inputs += self.centre
        # Not by BLAS, whose sums may depend on how many threads it has. The largest of the scores
        # is the largest after a softmax, too.
        scores = np.einsum("nj,jc->nc", inputs, self.weights) + self.biases
        return inputs, scores.argmax(axis=1)


class SyntheticSettings(SupervisedSettings):
    """Synthetic(alpha, beta), made for as many clients as there are: each has its own problem.

    Li et al. 2020, arXiv 1812.06127. What a client has depends on no other client. With more than
    100 clients, scores on one's own kind of data are by class, not on one's own samples.
    """

    name: Literal["synthetic"] = Field(description="the task's name")
    alpha: _Skew = Field(
        default=0.0, description="how much clients' models differ, beyond what they always do"
    )
    beta: _Skew = Field(
        default=0.0, description="how much clients' features differ, beyond what they always do"
    )
    means: Literal["client", "class"] = Field(
        default="client",
        description="what has a mean drawn from N(0, alpha); client: all of a client's weights "
        "together, as published, which changes no label; class: each class's",
    )
    iid: bool = Field(
        default=False, description="one problem for all clients, the paper's Synthetic_iid"
    )
    samples: _Samples = Field(
        default_factory=Sizes,
        description="of each client, with those held out: a number, or {mu, sigma, minimum, "
        "maximum} for minimum + exp(N(mu, sigma)) and no more than maximum",
    )
    features: Annotated[int, Field(ge=1, le=100_000)] = Field(
        default=60, description="numbers of a sample"
    )
    classes: Annotated[int, Field(ge=2, le=1000)] = Field(
        default=10, description="kinds of samples"
    )
    test_fraction: _Share = Field(
        default=0.1, description="share of each client's samples held out for testing"
    )
    validation_fraction: _Share = Field(
        default=0.1, description="share of each client's samples held out for decisions"
    )

    @model_validator(mode="after")
    def _no_skew_in_one_problem(self) -> Self:
        for name, skew in (("alpha", self.alpha), ("beta", self.beta)):
            if self.iid and skew:
                raise Refusal(f"{skew:g} beside iid: true", "0, or iid: false", (name,))
        return self

    @model_validator(mode="after")
    def _some_are_left_to_train_on(self) -> Self:
        check_fractions(self.test_fraction, self.validation_fraction)
        return self

    def load(self, clients: int, tell: Tell) -> Task:
        """What the `clients` have: inputs [n, features], by client and in the order of its draws.

        `tell` is told of an alpha without effect. Raises Refusal if the data are too much.
        """
        import torch

        from models.tasks.supervised import Samples, supervised

        counts = self._counts(clients)
        self._check_size(counts)
        if self.alpha and self.means == "client":
            tell("task.alpha changes no label: it moves all classes alike, but for means: class")
        if clients >= _WORTH_TELLING:
            tell(f"drawing the data of {clients:,} clients")
        inputs, labels = map(torch.from_numpy, self._samples(counts))
        sites = np.repeat(np.tile(np.arange(clients), len(counts)), counts.ravel())
        # Slices, not copies.
        ends = counts.sum(axis=1).cumsum().tolist()
        test, validation, training = (
            Samples(inputs[part], labels[part], sites[part])
            for part in (slice(start, end) for start, end in pairwise((0, *ends)))
        )
        return supervised(self, training, test, validation, classes=self.classes)

    def _check_size(self, counts: Ints) -> None:
        total, clients = int(counts.sum()), counts.shape[1]
        if total * self.features > MOST_NUMBERS:
            what = f"{total:,} samples of {self.features:,} numbers for {clients:,} clients"
            raise Refusal(what, f"at most {MOST_NUMBERS:,} numbers", ("task", "samples"))

    def _samples(self, counts: Ints) -> tuple[Floats, Ints]:
        """All samples [n, features] and their labels [n]; see `_counts`.

        All that are tested on lie before all that are validated on, and those before the others.
        """
        inputs = np.empty((counts.sum(), self.features), dtype=np.float32)
        labels = np.empty(len(inputs), dtype=np.int64)
        common = self._common_problem() if self.iid else None
        # Of each sample, by client: where it lies when they are sorted by what they are for.
        uses = np.repeat(np.tile(np.arange(len(counts)), counts.shape[1]), counts.T.ravel())
        places = np.argsort(np.argsort(uses, kind="stable"), kind="stable")
        own_places = np.split(places, counts.sum(axis=0).cumsum()[:-1])
        for client, own in enumerate(own_places):
            draws = generator(self.drawn_by, "synthetic_client", client)
            problem = common or self._problem(draws)
            inputs[own], labels[own] = problem.samples(draws, len(own))
        return inputs, labels

    def _counts(self, clients: int) -> Ints:
        """How many samples of each client are tested on, validated on and trained on [3, clients].

        Each is one or more.
        """
        sizes = self._sizes(clients)
        test = np.clip(np.rint(self.test_fraction * sizes).astype(np.int64), 1, sizes - 2)
        left = sizes - test
        validation = np.rint(self.validation_fraction * sizes).astype(np.int64)
        validation = np.clip(validation, 1, left - 1)
        return np.stack([test, validation, left - validation])

    def _sizes(self, clients: int) -> Ints:
        if isinstance(self.samples, int):
            return np.full(clients, self.samples)
        streams = (generator(self.drawn_by, "synthetic_size", one) for one in range(clients))
        return np.array([self.samples.draw(draws) for draws in streams])

    def _common_problem(self) -> _Problem:
        drawn = self._problem(generator(self.drawn_by, "synthetic_iid"))
        return replace(drawn, centre=np.zeros_like(drawn.centre))

    def _problem(self, draws: np.random.Generator) -> _Problem:
        """A client's own; a larger alpha or beta stretches the same draws."""

        def normal(*shape: int) -> Floats:
            return draws.standard_normal(shape, dtype=np.float32)

        shift = np.float32(self.beta) * normal()
        means = np.float32(self.alpha) * normal(self.classes)
        if self.means == "client":
            means = means[:1]
        return _Problem(
            weights=means + normal(self.features, self.classes),
            biases=means + normal(self.classes),
            centre=shift + normal(self.features),
        )
