"""How much of each neighbour's model goes into an average, where only neighbours know each other.

Xiao, Boyd, Lall, "A Scheme for Robust Distributed Sensor Fusion Based on Average Consensus", IPSN
2005: the Metropolis weights, of which a node needs its neighbours' degrees alone. Where the graph
changes, as it does when somebody joins or leaves, they are those of the graph of the moment.
"""

import math
from collections.abc import Mapping


def metropolis(node: int, degrees: Mapping[int, int]) -> dict[int, int]:
    """A node's row of W: 1 / (max(d_i, d_j) + 1) for each neighbour, and the rest for itself.

    `degrees`: d of the node, at least the number of others there, and of each neighbour. Where
    neighbours agree on their degrees, W is symmetric and doubly stochastic over all nodes. A
    neighbour that isn't there leaves its weight to the node. In whole numbers, to be divided by
    their sum: so those of a complete graph are equal to the last bit. Of the middle one of three in
    a row:

    >>> metropolis(1, {0: 1, 1: 2, 2: 1})
    {0: 1, 2: 1, 1: 1}
    >>> metropolis(1, {0: 1, 1: 2})
    {0: 1, 1: 2}
    """
    parts = {j: max(degrees[node], degree) + 1 for j, degree in degrees.items() if j != node}
    whole = math.lcm(*parts.values())
    row = {j: whole // part for j, part in parts.items()}
    return row | {node: whole - sum(row.values())}
