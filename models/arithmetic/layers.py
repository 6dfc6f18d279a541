"""Networks as functions of a masked batch: what the batched bit class trains.

The layers here are written for many small models side by side. The
batch is the last axis of every activation: then pooling, normalisation and the patches of a
convolution run over whole vectors of neighbouring samples, and a compiled step of a small
convolutional network takes less than half the time. A batch is padded to a fixed width by samples
with mask 0, which leave weights and statistics alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.nn import functional

Tensors = tuple[torch.Tensor, ...]
# Called with (parameters, buffers, inputs [batch, ...], mask [batch]); gives outputs
# [batch, outputs] and the new buffers.
Network = Callable[[Tensors, Tensors, torch.Tensor, torch.Tensor], tuple[torch.Tensor, Tensors]]
# Called with (layer, its parameters, its buffers, x [..., batch], mask [batch]).
Layer = Callable[[Any, Tensors, Tensors, torch.Tensor, torch.Tensor], tuple[torch.Tensor, Tensors]]


def _flatten(
    layer: nn.Flatten, parameters: Tensors, buffers: Tensors, x: torch.Tensor, mask: torch.Tensor
) -> tuple[torch.Tensor, Tensors]:
    return x.reshape(-1, x.shape[-1]), ()


def _relu(
    layer: nn.ReLU, parameters: Tensors, buffers: Tensors, x: torch.Tensor, mask: torch.Tensor
) -> tuple[torch.Tensor, Tensors]:
    return functional.relu(x), ()


def _linear(
    layer: nn.Linear, parameters: Tensors, buffers: Tensors, x: torch.Tensor, mask: torch.Tensor
) -> tuple[torch.Tensor, Tensors]:
    weight, bias = parameters
    return weight @ x + bias[:, None], ()


def _convolution(
    layer: nn.Conv2d, parameters: Tensors, buffers: Tensors, x: torch.Tensor, mask: torch.Tensor
) -> tuple[torch.Tensor, Tensors]:
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
    return y.view(len(weight), height, width, -1), ()


def _normalisation(
    layer: nn.BatchNorm2d,
    parameters: Tensors,
    buffers: Tensors,
    x: torch.Tensor,
    mask: torch.Tensor,
) -> tuple[torch.Tensor, Tensors]:
    """Statistics over the samples with mask 1 only; x [channels, height, width, batch]."""
    scale, shift = parameters
    mean_before, variance_before, counter = buffers
    share = layer.momentum
    assert share is not None

    def wide(each_channel: torch.Tensor) -> torch.Tensor:
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


def _pooling(
    layer: nn.MaxPool2d, parameters: Tensors, buffers: Tensors, x: torch.Tensor, mask: torch.Tensor
) -> tuple[torch.Tensor, Tensors]:
    """The largest of 2x2, the first one if several are; x [channels, height, width, batch]."""
    height, width = x.shape[1] // 2 * 2, x.shape[2] // 2 * 2
    left, right = x[:, :height, 0:width:2], x[:, :height, 1:width:2]
    x = torch.where(left >= right, left, right)
    upper, lower = x[:, 0::2], x[:, 1::2]
    return torch.where(upper >= lower, upper, lower), ()


_LAYERS: dict[type[nn.Module], Layer] = {
    nn.Flatten: _flatten,
    nn.ReLU: _relu,
    nn.Linear: _linear,
    nn.Conv2d: _convolution,
    nn.BatchNorm2d: _normalisation,
    nn.MaxPool2d: _pooling,
}


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


def work(module: nn.Module, inputs: torch.Tensor) -> int:
    """Multiplications for one sample, forward, in the products that a network is made of.

    `module` is one without `unknown` parts; inputs [1, ...]. Leaves it in evaluation mode.
    """
    total, x = 0, inputs
    with torch.inference_mode():
        for layer in module.eval().children():
            x = layer(x)
            if isinstance(layer, nn.Conv2d | nn.Linear):
                total += layer.weight.numel() * x[0, 0].numel()
    return total


def network(module: nn.Sequential) -> Network:
    """`module` in training mode as a function, to be differentiated and vmapped.

    Parameters and buffers come and go in the module's order; all are float32.
    """
    layers = [
        (_LAYERS[type(layer)], layer, len(list(layer.parameters())), len(list(layer.buffers())))
        for layer in module
    ]

    def forward(
        parameters: Tensors, buffers: Tensors, inputs: torch.Tensor, mask: torch.Tensor
    ) -> tuple[torch.Tensor, Tensors]:
        x = inputs.movedim(0, -1)
        after: Tensors = ()
        for function, layer, held, tracked in layers:
            x, changed = function(layer, parameters[:held], buffers[:tracked], x, mask)
            parameters, buffers = parameters[held:], buffers[tracked:]
            after += changed
        return x.movedim(-1, 0), after

    return forward
