"""What is told of this process's environment."""

from __future__ import annotations

import torch

from models.environment import environment
from models.learner import fingerprint


def test_the_environment_tells_versions_and_the_fingerprint() -> None:
    told = environment()
    assert told["torch"] == torch.__version__
    assert fingerprint().startswith(told["fingerprint"])
    assert torch.backends.cpu.get_cpu_capability() in told["processor"]
