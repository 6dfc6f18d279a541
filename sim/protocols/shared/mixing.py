"""How much of each neighbour's model goes into an average, where only neighbours know each other.

Xiao, Boyd, Lall, "A Scheme for Robust Distributed Sensor Fusion Based on Average Consensus", IPSN
2005, section II: the Metropolis weights, of which a node needs its neighbours' degrees alone.
"""

import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


def metropolis(node: int, neighbours: Iterable[int], degrees: Ints) -> dict[int, int]:
    """A node's row of W: 1 / (max(d_i, d_j) + 1) for each neighbour, and the rest for itself.

    Over all nodes W is symmetric and doubly stochastic. A neighbour that isn't named leaves its
    weight to the node. In whole numbers, to be divided by their sum: so those of a complete graph
    are equal to the last bit. Of the middle one of three in a row:

    >>> metropolis(1, [0, 2], np.array([1, 2, 1]))
    {0: 1, 2: 1, 1: 1}
    >>> metropolis(1, [0], np.array([1, 2, 1]))
    {0: 1, 1: 2}
    """
    parts = {j: int(max(degrees[node], degrees[j])) + 1 for j in neighbours}
    whole = math.lcm(*parts.values())
    row = {j: whole // part for j, part in parts.items()}
    return row | {node: whole - sum(row.values())}
