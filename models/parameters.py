"""A model as one contiguous float32 vector: parameters, then buffers, in the module's order.

A tensor of four dimensions lies in the vector as it lies in memory, channels last: that is how
convolutions are fastest, and so no step makes a hidden copy. Its view has the usual shape.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

Vector = npt.NDArray[np.float32]
Tensor = npt.NDArray[np.float32]
"""Of any number of dimensions."""


@dataclass(frozen=True)
class Layout:
    """Which tensors a model's vector consists of, in their order; it outlives the module.

    `names`: as in the module's state dictionary; `shapes`: the usual ones.
    """

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]

    @property
    def length(self) -> int:
        """Numbers in a vector."""
        return sum(math.prod(shape) for shape in self.shapes)

    def views(self, flat: torch.Tensor) -> list[torch.Tensor]:
        """`flat` [..., P], one model or several, as views [..., *shape] in the order of `names`."""
        result = []
        start = 0
        for shape in self.shapes:
            piece = flat[..., start : start + math.prod(shape)]
            start += math.prod(shape)
            if len(shape) == 4:
                outputs, inputs, height, width = shape
                stored = piece.view((*flat.shape[:-1], outputs, height, width, inputs))
                result.append(stored.movedim(-1, -3))
            else:
                result.append(piece.view((*flat.shape[:-1], *shape)))
        return result

    def tensors(self, vector: Vector) -> dict[str, Tensor]:
        """A copy of each tensor [*shape] of `vector` [P] by its name, rows first in memory.

        All are float32, counters too, since their averages are no whole numbers.
        """
        views = self.views(torch.from_numpy(vector))
        return {name: view.numpy().copy() for name, view in zip(self.names, views, strict=True)}

    def vector(self, tensors: Mapping[str, Tensor]) -> Vector:
        """The vector [P] that `tensors` gives these. Raises ValueError if they aren't of a model
        with this layout.
        """
        shapes = dict(zip(self.names, self.shapes, strict=True))
        if {name: tensor.shape for name, tensor in tensors.items()} != shapes:
            raise ValueError("the tensors are those of another network")
        flat = torch.zeros(self.length, dtype=torch.float32)
        for name, view in zip(self.names, self.views(flat), strict=True):
            view.copy_(torch.tensor(tensors[name]))
        return flat.numpy()


class FlatModule:
    """A module whose parameters and float buffers are views of one vector on a CPU, else copies.

    Integer buffers (batch-norm's counter) are carried as float32, exact up to 2^24. Of the
    `layout`'s tensors the first `parameters` are parameters, and of a vector's entries the first
    `parameter_length`.
    """

    def __init__(self, module: nn.Module, device: torch.device) -> None:
        self.module = module.to(device)
        self.device = device
        self.parameters = len(list(module.parameters()))
        tensors = [*module.named_parameters(), *module.named_buffers()]
        shapes = tuple(tuple(tensor.shape) for _, tensor in tensors)
        self.layout = Layout(tuple(name for name, _ in tensors), shapes)
        self.length = self.layout.length
        self.parameter_length = sum(math.prod(shape) for shape in shapes[: self.parameters])
        self._flat = torch.zeros(self.length, dtype=torch.float32, device=device)
        # What can't be a view of the vector, with its place there.
        self._apart: list[tuple[torch.Tensor, torch.Tensor]] = []
        for (_, tensor), view in zip(tensors, self.layout.views(self._flat), strict=True):
            view.copy_(tensor.detach())
            if tensor.dtype != torch.float32:
                self._apart.append((tensor, view))
            elif device.type == "cpu":
                tensor.data = view
            else:
                # CUDA's kernels read several floats at once, and fail with "misaligned address"
                # where a tensor begins in between, as in the vector it may.
                tensor.data = view.clone()
                self._apart.append((tensor.detach(), view))

    def arranged(self, inputs: torch.Tensor) -> torch.Tensor:
        """`inputs` in the memory layout that suits the module; a copy only if it differs."""
        images = any(len(shape) == 4 for shape in self.layout.shapes)
        layout = torch.channels_last if images else torch.contiguous_format
        return inputs.contiguous(memory_format=layout)

    def of_parameters(self, vector: Vector) -> tuple[torch.Tensor, ...]:
        """A copy of the part of `vector` [P] that belongs to each parameter."""
        views = self.layout.views(torch.from_numpy(vector).to(self.device))
        return tuple(view.clone() for view in views[: self.parameters])

    def load(self, vector: Vector) -> None:
        """Make `vector` [P] the module's state. Raises ValueError for another length."""
        if vector.shape != (self.length,):
            raise ValueError(f"a vector of shape {vector.shape}; the model has {self.length}")
        self._flat.copy_(torch.from_numpy(vector))
        for tensor, view in self._apart:
            tensor.copy_(view)

    def vector(self) -> Vector:
        """A copy of the module's state [P]."""
        for tensor, view in self._apart:
            view.copy_(tensor)
        return self._flat.cpu().numpy().copy()
