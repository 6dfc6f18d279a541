"""What a server makes of the mean of its clients' updates: the next global model.

Reddi et al., "Adaptive Federated Optimization", ICLR 2021, arXiv 2003.00295, algorithm 2, whose
pseudo-gradient d is the difference between that mean and the global model. Only parameters take
such steps; buffers, such as the statistics of batch normalisation, are averaged.
"""

from abc import abstractmethod
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from sim.compute import Lineage, ModelRef, ServerRule
from sim.record.settings import Positive, Settings

KIND = "the server optimiser's kind"
Memory = tuple[ModelRef, ...]
"""What a server optimiser remembers: empty at first, and part of the server's checkpoint."""
Decay = Annotated[float, Field(ge=0, lt=1)]


class ServerOptimizer(Settings):
    """How a server steps from its global model towards the mean of the updates."""

    kind: str

    @abstractmethod
    def step(
        self, lineage: Lineage, model: ModelRef, mean: ModelRef, memory: Memory
    ) -> tuple[ModelRef, Memory]:
        """The next global model, and what to remember, after `model` and the `mean` of updates."""


class Average(ServerOptimizer):
    """The mean itself: McMahan et al. 2017, arXiv 1602.05629."""

    kind: Literal["average"] = Field(description=KIND)

    def step(
        self, lineage: Lineage, model: ModelRef, mean: ModelRef, memory: Memory
    ) -> tuple[ModelRef, Memory]:
        return mean, ()


class Momentum(ServerOptimizer):
    """FedAvgM, v <- momentum v + d and x <- x + rate v: Hsu et al. 2019, arXiv 1909.06335.

    It remembers the global model before, since rate v is what the last step changed; without
    momentum, nothing.
    """

    kind: Literal["momentum"] = Field(description=KIND)
    learning_rate: Positive = Field(default=1.0, description="the server's step size")
    momentum: Decay = Field(default=0.9, description="share of the last step that is made again")

    def step(
        self, lineage: Lineage, model: ModelRef, mean: ModelRef, memory: Memory
    ) -> tuple[ModelRef, Memory]:
        rate, momentum = self.learning_rate, self.momentum if memory else 0.0
        terms = [(model, 1 + momentum - rate), (mean, rate), *((old, -momentum) for old in memory)]
        models, weights = zip(*(term for term in terms if term[1]), strict=True)
        # Without momentum, and at rate 1, only the mean is left: this is FedAvg to the bit.
        following = mean if models == (mean,) else lineage.combined(models, weights)
        return following, (model,) if self.momentum else ()


class _Adaptive(ServerOptimizer):
    """m <- beta_1 m + (1 - beta_1) d; v as `square` says; x <- x + rate m / (sqrt(v) + tau).

    It remembers m and v. Nothing corrects their bias, as in the paper; v starts from tau^2.
    """

    square: ClassVar[ServerRule]

    learning_rate: Positive = Field(default=0.1, description="the server's step size")
    beta_1: Decay = Field(default=0.9, description="decay of the first moment")
    beta_2: Decay = Field(default=0.99, description="decay of the second moment")
    tau: Positive = Field(
        default=1e-3, description="adaptivity: the larger, the more alike all parameters' steps"
    )

    def step(
        self, lineage: Lineage, model: ModelRef, mean: ModelRef, memory: Memory
    ) -> tuple[ModelRef, Memory]:
        first, second = memory[:1], memory[1:]
        fresh = 1 - self.beta_1
        weights = (fresh, -fresh, self.beta_1)[: 2 + len(first)]
        momentum = lineage.direction((mean, model, *first), weights)
        arguments = (self.beta_2, self.tau)
        square = lineage.stepped(self.square, (model, mean, *second), arguments)
        inputs = (model, mean, momentum, square)
        following = lineage.stepped("adaptive_step", inputs, (self.learning_rate, self.tau))
        return following, (momentum, square)


class Adam(_Adaptive):
    """FedAdam: v <- beta_2 v + (1 - beta_2) d^2. Reddi et al. 2021, arXiv 2003.00295."""

    square: ClassVar[ServerRule] = "adam_square"

    kind: Literal["adam"] = Field(description=KIND)


class Yogi(_Adaptive):
    """FedYogi: v <- v - (1 - beta_2) d^2 sign(v - d^2). Reddi et al. 2021, arXiv 2003.00295."""

    square: ClassVar[ServerRule] = "yogi_square"

    kind: Literal["yogi"] = Field(description=KIND)


SERVER_OPTIMIZERS: dict[str, type[ServerOptimizer]] = {
    "average": Average,
    "momentum": Momentum,
    "adam": Adam,
    "yogi": Yogi,
}
