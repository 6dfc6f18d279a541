"""A network on a random batch: whether it can be trained, and comes out the same again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from braintorrent.testing.broken import Broken, explained
from braintorrent.testing.kinds import NETWORK, chosen
from models.networks import ModelSettings
from sim.compute import one_thread

if TYPE_CHECKING:
    from torch import nn

    from models.parameters import Vector

BATCH = 4


def check_network(
    network: str | type[ModelSettings] | ModelSettings,
    settings: Mapping[str, Any] | None = None,
    *,
    input_shape: tuple[int, ...],
    outputs: int,
    seed: int = 0,
) -> int:
    """Build a network, with `settings` as in YAML, for a task; raise Broken if it can't learn.

    A batch [4, *input_shape] must become [4, outputs], or [4, outputs, height, width] of a network
    `per_pixel`, in training and out of it. The gradients must be finite, and not all zero; built
    and run again with equal seeds, it must have equal bits. Returns how many numbers a model has.

    >>> check_network("mlp", {"hidden": [8]}, input_shape=(1, 4, 4), outputs=3)
    163

    Raises ScenarioError for a mistake in the settings, Refusal if the network refuses the task.
    """
    kind = chosen(NETWORK, network, settings, "name")
    again = f"input_shape={input_shape}, outputs={outputs}, seed={seed}"
    with explained(type(kind), lambda: again), one_thread():
        first, second = (_trained(kind, input_shape, outputs, seed) for _ in range(2))
        if first.tobytes() != second.tobytes():
            raise Broken("built and trained again with the same seed it has other weights")
        return len(first)


def _trained(kind: ModelSettings, input_shape: tuple[int, ...], outputs: int, seed: int) -> Vector:
    """The model's vector [P] after one step, in which all is drawn from `seed`."""
    import torch

    from models.bits.devices import drawing
    from models.parameters import FlatModule

    cpu = torch.device("cpu")
    with drawing(seed, cpu):
        flat = FlatModule(kind.build(input_shape, outputs), cpu)
        batch = flat.arranged(torch.rand(BATCH, *input_shape))
        shape = [BATCH, outputs, *(input_shape[-2:] if kind.per_pixel else ())]
        for mode in (False, True):
            found = flat.module.train(mode)(batch)
            if list(found.shape) != shape:
                raise Broken(
                    f"a batch {list(batch.shape)} becomes {list(found.shape)}, not {shape}"
                )
        found.square().mean().backward()
        _check_gradients(flat.module)
        with torch.no_grad():
            for each in flat.module.parameters():
                if each.grad is not None:
                    each.sub_(each.grad, alpha=0.1)
        return flat.vector()


def _check_gradients(module: nn.Module) -> None:
    gradients = {name: each.grad for name, each in module.named_parameters()}
    found = {name: grad for name, grad in gradients.items() if grad is not None}
    for name, grad in found.items():
        if not grad.isfinite().all():
            raise Broken(f"the gradient of {name} is not finite")
    if not any(grad.any() for grad in found.values()):
        raise Broken("no parameter has a gradient: there is nothing to learn")
