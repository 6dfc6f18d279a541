"""A plain PyTorch loop over the digits, and nothing else: run as a file, it is a whole process.

It reads JSON, `rounds`, the (samples, steps) of each training, and `evaluations`, and prints the
seconds of the loop.
"""

import itertools
import json
import sys
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional


def mlp() -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))


def cnn() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(8, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(64, 10)),
    )


def loop(
    rounds: Sequence[tuple[int, int]], evaluations: int, network: Callable[[], nn.Module]
) -> float:
    """Wall seconds of these steps and evaluations, in order and on one thread."""
    data = load_digits()
    inputs = torch.from_numpy((data.images / 16).astype(np.float32)[:, None])
    labels = torch.from_numpy(data.target.astype(np.int64))
    module = network()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    started = time.perf_counter()
    for samples, steps in rounds:
        optimizer = torch.optim.SGD(module.parameters(), 0.05)
        for batch in itertools.islice(_batches(samples), steps):
            optimizer.zero_grad()
            torch.autograd.backward(functional.cross_entropy(module(inputs[batch]), labels[batch]))
            optimizer.step()
    module.eval()
    with torch.inference_mode():
        for _ in range(evaluations):
            output = module(inputs[:359])
            functional.cross_entropy(output, labels[:359]).item()
            (output.argmax(1) == labels[:359]).sum().item()
    torch.set_num_threads(threads)
    return time.perf_counter() - started


def _batches(samples: int) -> itertools.chain[torch.Tensor]:
    return itertools.chain.from_iterable(
        torch.split(torch.randperm(samples), 32) for _ in itertools.count()
    )


if __name__ == "__main__":
    print(loop(**json.loads(sys.stdin.read()), network=cnn))
