"""What is told of this process's environment."""

from __future__ import annotations

import torch

from models.environment import environment
from models.fingerprint import fingerprint
from models.settings import TrainingSettings

EXACT = TrainingSettings(learning_rate=0.1, batch_size=4, local_steps=1)
BATCHED = EXACT.model_copy(update={"arithmetic": "batched"})


def test_the_environment_tells_versions_and_the_fingerprint() -> None:
    told = environment([EXACT])
    assert told["torch"] == torch.__version__
    assert fingerprint(EXACT).startswith(told["fingerprint"])
    assert torch.backends.cpu.get_cpu_capability() in told["processor"]


def test_every_way_of_training_has_its_part_in_it_and_their_order_none() -> None:
    both = environment([EXACT, BATCHED])["fingerprint"]
    assert both == environment([BATCHED, EXACT, EXACT])["fingerprint"]
    assert both.split() == sorted(fingerprint(each)[:12] for each in (EXACT, BATCHED))
