"""A model as one contiguous float32 vector: parameters, then buffers, in the module's order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

Vector = npt.NDArray[np.float32]


class FlatModule:
    """A module whose parameters and float buffers are views of one vector.

    Integer buffers (batch-norm's counter) are carried as float32, exact up to 2^24.
    """

    def __init__(self, module: nn.Module, device: torch.device) -> None:
        self.module = module.to(device)
        tensors = [*module.named_parameters(), *module.named_buffers()]
        self.names = tuple(name for name, _ in tensors)
        self.shapes = tuple(tuple(tensor.shape) for _, tensor in tensors)
        self._tensors = [tensor for _, tensor in tensors]
        self.length = sum(tensor.numel() for tensor in self._tensors)
        self._flat = torch.zeros(self.length, dtype=torch.float32, device=device)
        self._integers: list[tuple[torch.Tensor, torch.Tensor]] = []
        start = 0
        for tensor in self._tensors:
            view = self._flat[start : start + tensor.numel()].view(tensor.shape)
            view.copy_(tensor.detach())
            if tensor.dtype == torch.float32:
                tensor.data = view
            else:
                self._integers.append((tensor, view))
            start += tensor.numel()

    def load(self, vector: Vector) -> None:
        """Make `vector` [P] the module's state. Raises ValueError for another length."""
        if vector.shape != (self.length,):
            raise ValueError(f"a vector of shape {vector.shape}; the model has {self.length}")
        self._flat.copy_(torch.from_numpy(vector))
        for tensor, view in self._integers:
            tensor.copy_(view)

    def vector(self) -> Vector:
        """A copy of the module's state [P]."""
        for tensor, view in self._integers:
            view.copy_(tensor)
        result: Vector = self._flat.cpu().numpy().copy()
        return result


def averaged(models: Sequence[Vector], weights: Sequence[float]) -> Vector:
    """The weighted sum of models [N] of length P as one matrix-vector product.

    `weights` [N] should sum to 1; they are rounded to float32 first.
    """
    matrix = torch.from_numpy(np.stack(models))
    row = torch.tensor(weights, dtype=torch.float32)
    result: Vector = (row @ matrix).numpy()
    return result
