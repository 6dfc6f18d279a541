"""Networks: one file each, found by name in a literal registry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import nn

from models.networks.cnn import cnn
from models.networks.mlp import mlp

# Called with (settings, input shape without the batch, number of outputs).
NETWORKS: dict[str, Callable[[Any, tuple[int, ...], int], nn.Module]] = {"mlp": mlp, "cnn": cnn}
