"""A network on a random batch: whether it can be trained, and comes out the same again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from braintorrent.testing.broken import Broken, explained
from braintorrent.testing.kinds import NETWORK, chosen
from models.networks import ModelSettings, own_network
from sim.compute import one_thread
from sim.record.errors import Refusal

if TYPE_CHECKING:
    from torch import nn

    from models.parameters import Vector

BATCH = 4


def check_network(
    network: str | type[ModelSettings] | ModelSettings | Callable[..., nn.Module],
    settings: Mapping[str, Any] | None = None,
    *,
    input_shape: tuple[int, ...],
    outputs: int,
    seed: int = 0,
) -> int:
    """Build a network, with `settings` as in YAML, for a task; raise Broken if it can't learn.

    `network`: a kind of ours, or what a scenario may name of your own: a function or class with a
    parameter `outputs` that gives a torch.nn.Module. `input_shape`: of one sample; `outputs`: how
    many classes, or numbers, it answers with.

    A batch [4, *input_shape] must become [4, outputs], or [4, outputs, height, width] of a network
    `per_pixel`, in training and out of it. The gradients must be finite, and not all zero; built
    and run again with equal seeds, it must have equal bits. Returns how many numbers a model has.

    >>> check_network("mlp", {"hidden": [8]}, input_shape=(1, 4, 4), outputs=3)
    163

    Raises ScenarioError for a mistake in the settings, Refusal for something that is no network, or
    one that refuses the task.
    """
    kind = chosen(NETWORK, _adapted(network), settings, "name")
    again = f"input_shape={input_shape}, outputs={outputs}, seed={seed}"
    subject = network if callable(network) else type(kind)
    with explained(subject, lambda: again, is_all_theirs=True), one_thread():
        first, second = (_trained(kind, input_shape, outputs, seed) for _ in range(2))
        if first.tobytes() != second.tobytes():
            raise Broken("built and trained again with the same seed it has other weights")
        return len(first)


def _adapted(
    network: str | type[ModelSettings] | ModelSettings | Callable[..., nn.Module],
) -> str | type[ModelSettings] | ModelSettings:
    """The network as settings, as a scenario that names it would have them."""
    if isinstance(network, (str, ModelSettings)):
        return network
    name = f"{network.__module__}.{network.__qualname__}"
    found = own_network(name, network)
    if found is None:
        raise Refusal(f"{name} can't be used here", ModelSettings.AS_OWN, ("model", "name"))
    return found


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
