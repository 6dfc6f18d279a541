"""What is told of this process's environment."""

from __future__ import annotations

import torch

from models.bits.fingerprint import environment, fingerprint
from models.training import TrainingSettings

USED = ("torch", "numpy")
EXACT = TrainingSettings(learning_rate=0.1, batch_size=4, local_steps=1)
BATCHED = EXACT.model_copy(update={"arithmetic": "batched"})


def test_the_environment_tells_versions_and_the_fingerprint() -> None:
    told = environment([EXACT], USED)
    # A build's local label is not in the metadata of every wheel.
    assert torch.__version__.startswith(told["torch"])
    assert fingerprint(EXACT, USED).startswith(told["fingerprint"])
    assert torch.backends.cpu.get_cpu_capability() in told["processor"]


def test_every_way_of_training_has_its_part_in_it_and_their_order_none() -> None:
    both = environment([EXACT, BATCHED], USED)["fingerprint"]
    assert both == environment([BATCHED, EXACT, EXACT], USED)["fingerprint"]
    assert both.split() == sorted(fingerprint(each, USED)[:12] for each in (EXACT, BATCHED))
