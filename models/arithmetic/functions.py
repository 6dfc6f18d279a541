"""Networks and optimisers as functions of many small models side by side, to be compiled together.

The batch is the last axis of every activation: then pooling, normalisation and the patches of a
convolution run over whole vectors of neighbouring samples, and a compiled step of a small
convolutional network takes less than half the time. A batch is padded to a fixed width by samples
with mask 0, which leave weights and statistics alone.

Optimisers have the formulas of torch.optim, whose own change a module in place and so can't be
vmapped; hyperparameters are tensors, so models that differ in them share one compiled step.
"""

# A compiled step can't evaluate the annotations of a function within it.
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

from models.training import TrainingSettings

Tensors = tuple[Tensor, ...]
# Called with (parameters, buffers, inputs [batch, ...], mask [batch]); gives outputs
# [batch, outputs] and the new buffers.
Network = Callable[[Tensors, Tensors, Tensor, Tensor], tuple[Tensor, Tensors]]
# Called with (layer, its parameters, x [..., batch]).
Layer = Callable[[Any, Tensors, Tensor], Tensor]


def _linear(layer: nn.Linear, parameters: Tensors, x: Tensor) -> Tensor:
    weight, bias = parameters
    return weight @ x + bias[:, None]


def _convolution(layer: nn.Conv2d, parameters: Tensors, x: Tensor) -> Tensor:
    """One product of the weights with the image's shifted copies; x [channels, h, w, batch]."""
    weight, bias = parameters
    assert not isinstance(layer.padding, str)
    (rows, columns), (down, right) = layer.kernel_size, layer.padding
    height = x.shape[1] + 2 * down - rows + 1
    width = x.shape[2] + 2 * right - columns + 1
    padded = functional.pad(x, (0, 0, right, right, down, down))
    shifted = [
        padded[:, row : row + height, column : column + width]
        for row in range(rows)
        for column in range(columns)
    ]
    patches = torch.stack(shifted, dim=1).reshape(weight[0].numel(), -1)
    y = weight.reshape(len(weight), -1) @ patches + bias[:, None]
    return y.view(len(weight), height, width, -1)


def _pooling(layer: nn.MaxPool2d, parameters: Tensors, x: Tensor) -> Tensor:
    """The largest of 2x2, the first one if several are; x [channels, height, width, batch]."""
    height, width = x.shape[1] // 2 * 2, x.shape[2] // 2 * 2
    left, right = x[:, :height, 0:width:2], x[:, :height, 1:width:2]
    x = torch.where(left >= right, left, right)
    upper, lower = x[:, 0::2], x[:, 1::2]
    return torch.where(upper >= lower, upper, lower)


_LAYERS: dict[type[nn.Module], Layer] = {
    nn.Flatten: lambda layer, parameters, x: x.reshape(-1, x.shape[-1]),
    nn.ReLU: lambda layer, parameters, x: functional.relu(x),
    nn.Linear: _linear,
    nn.Conv2d: _convolution,
    nn.MaxPool2d: _pooling,
}


def _normalised(
    layer: nn.BatchNorm2d, parameters: Tensors, buffers: Tensors, x: Tensor, mask: Tensor
) -> tuple[Tensor, Tensors]:
    """Statistics over the samples with mask 1 only; x [channels, height, width, batch]."""
    scale, shift = parameters
    mean_before, variance_before, counter = buffers
    share = layer.momentum
    assert share is not None

    def wide(each_channel: Tensor) -> Tensor:
        return each_channel[:, None, None, None]

    count = mask.sum() * (x.shape[1] * x.shape[2])
    mean = (x * mask).sum((1, 2, 3)) / count
    centred = x - wide(mean)
    variance = (centred * centred * mask).sum((1, 2, 3)) / count
    y = centred * wide(scale * torch.rsqrt(variance + layer.eps)) + wide(shift)
    unbiased = variance.detach() * (count / (count - 1))
    return y, (
        (1 - share) * mean_before + share * mean.detach(),
        (1 - share) * variance_before + share * unbiased,
        counter + 1,
    )


def unknown(module: nn.Module) -> str | None:
    """The first part of `module` that has no form here, in words; None if all have one."""
    if not isinstance(module, nn.Sequential):
        return type(module).__name__
    for layer in module:
        match layer:
            case nn.Conv2d():
                known = (
                    set((*layer.stride, *layer.dilation, layer.groups)) == {1}
                    and layer.padding_mode == "zeros"
                    and not isinstance(layer.padding, str)
                    and layer.bias is not None
                )
            case nn.BatchNorm2d():
                known = layer.affine and layer.track_running_stats and layer.momentum is not None
            case nn.MaxPool2d():
                sizes = (layer.kernel_size, layer.stride, layer.padding, layer.dilation)
                known = sizes == (2, 2, 0, 1) and not layer.ceil_mode
            case nn.Linear():
                known = layer.bias is not None
            case nn.Flatten():
                known = (layer.start_dim, layer.end_dim) == (1, -1)
            case _:
                known = type(layer) in _LAYERS
        if not known:
            return str(layer)
    return None


def work(module: nn.Module, inputs: Tensor) -> int:
    """Multiplications for one sample, forward, in the products that a network is made of.

    Inputs [1, ...]. Leaves the module in evaluation mode.
    """
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        module.eval()(inputs)
    return int(counter.get_total_flops()) // 2  # It counts the additions, too.


def network(module: nn.Sequential) -> Network:
    """`module` in training mode as a function, to be differentiated and vmapped.

    Parameters and buffers come and go in the module's order; all are float32.
    """
    layers = [
        (layer, len(list(layer.parameters())), len(list(layer.buffers()))) for layer in module
    ]

    def forward(
        parameters: Tensors, buffers: Tensors, inputs: Tensor, mask: Tensor
    ) -> tuple[Tensor, Tensors]:
        x = inputs.movedim(0, -1)
        after: Tensors = ()
        for layer, held, tracked in layers:
            if isinstance(layer, nn.BatchNorm2d):
                x, changed = _normalised(layer, parameters[:held], buffers[:tracked], x, mask)
                after += changed
            else:
                x = _LAYERS[type(layer)](layer, parameters[:held], x)
            parameters, buffers = parameters[held:], buffers[tracked:]
        return x.movedim(-1, 0), after

    return forward


# Called with (weight, gradient, memory, hyperparameters [n], corrections [2]); gives the new
# weight and the new memory.
RuleStep = Callable[[Tensor, Tensor, Tensors, Tensor, Tensor], tuple[Tensor, Tensors]]

BETAS = (0.9, 0.999)
EPSILON = 1e-8


@dataclass(frozen=True)
class Rule:
    """`memory`: tensors that it keeps for each parameter, zero at the start of a local round.

    `is_anchored`: whether one more, the last, is the parameter itself as it is at that start.
    """

    memory: int
    step: RuleStep
    is_anchored: bool = False


def hyperparameters(settings: TrainingSettings) -> tuple[float, ...]:
    """What the rule for these settings reads of them: three, or four if it's anchored."""
    of_all = settings.learning_rate, settings.momentum, settings.weight_decay
    return (*of_all, settings.proximal) if settings.proximal else of_all


def rule_for(settings: TrainingSettings) -> Rule:
    """The optimiser's rule, anchored if the settings have a proximal term."""
    rule = RULES[settings.optimizer]
    return _anchored(rule) if settings.proximal else rule


def _anchored(rule: Rule) -> Rule:
    """With FedProx's pull towards the anchor added to the gradient; see `exact`."""

    def step(
        weight: Tensor, gradient: Tensor, memory: Tensors, hyper: Tensor, correction: Tensor
    ) -> tuple[Tensor, Tensors]:
        *kept, anchor = memory
        pulled = gradient + hyper[-1] * (weight - anchor)
        changed, kept_now = rule.step(weight, pulled, tuple(kept), hyper[:-1], correction)
        return changed, (*kept_now, anchor)

    return Rule(rule.memory, step, is_anchored=True)


def corrections(steps: int) -> npt.NDArray[np.float32]:
    """Adam's bias corrections [steps, 2]: factors of the mean and of the root of the square.

    Computed here in double precision: the compiled step would lose digits in 1 - 0.999^t.
    """
    count = np.arange(1, steps + 1, dtype=np.float64)
    first, second = (1 - beta**count for beta in BETAS)
    return np.stack([1 / first, 1 / np.sqrt(second)], axis=1).astype(np.float32)


def _sgd(
    weight: Tensor, gradient: Tensor, memory: Tensors, hyper: Tensor, correction: Tensor
) -> tuple[Tensor, Tensors]:
    rate, _, decay = hyper
    return weight - rate * (gradient + decay * weight), ()


def _momentum(
    weight: Tensor, gradient: Tensor, memory: Tensors, hyper: Tensor, correction: Tensor
) -> tuple[Tensor, Tensors]:
    rate, momentum, decay = hyper
    velocity = momentum * memory[0] + (gradient + decay * weight)
    return weight - rate * velocity, (velocity,)


def _adam(
    weight: Tensor, gradient: Tensor, memory: Tensors, hyper: Tensor, correction: Tensor
) -> tuple[Tensor, Tensors]:
    """Kingma and Ba 2015, arXiv 1412.6980."""
    rate, _, decay = hyper
    of_mean, of_root = correction
    gradient = gradient + decay * weight
    mean = BETAS[0] * memory[0] + (1 - BETAS[0]) * gradient
    square = BETAS[1] * memory[1] + (1 - BETAS[1]) * gradient * gradient
    change = rate * of_mean * mean / (torch.sqrt(square) * of_root + EPSILON)
    return weight - change, (mean, square)


RULES: dict[str, Rule] = {
    "sgd": Rule(0, _sgd),
    "momentum": Rule(1, _momentum),
    "adam": Rule(2, _adam),
}
