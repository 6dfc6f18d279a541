"""Integers that change over time, one per node, readable at any past instant.

A ping of n peers is one event, evaluated when its last reply is in; what each peer would have
answered when the question reached it is read from here, as one vector operation.
"""

import math
from bisect import bisect_left, bisect_right

import numpy as np
import numpy.typing as npt


class History:
    """The value of each of `count` entities as a step function of time."""

    def __init__(self, count: int, initial: int) -> None:
        self.current: npt.NDArray[np.int64] = np.full(count, initial, dtype=np.int64)
        self.changed_s: npt.NDArray[np.float64] = np.full(count, -np.inf)
        """When each of them [count] changed last."""
        self.latest_s = -math.inf
        """When any of them did."""
        self.zeros = 0 if initial else count
        """How many of them are 0 now."""
        # The value before the current one, too: what is asked about the past is asked soon.
        self._before = self.current.copy()
        self._before_since_s = self.changed_s.copy()
        self._times: list[list[float]] = [[-np.inf] for _ in range(count)]
        self._values: list[list[int]] = [[initial] for _ in range(count)]

    def begin(self, index: int, value: int) -> None:
        """The value of `index`, which has not changed yet, was `value` all along."""
        self._count(index, value)
        self.current[index] = self._before[index] = value
        self._values[index] = [value]

    def change(self, index: int, time_s: float, value: int) -> None:
        """From `time_s` on, the value of `index` is `value`; times must not go back."""
        assert time_s >= self._times[index][-1]
        self._count(index, value)
        self.latest_s = time_s
        self._before[index] = self.current[index]
        self._before_since_s[index] = self.changed_s[index]
        self.current[index] = value
        self.changed_s[index] = time_s
        self._times[index].append(time_s)
        self._values[index].append(value)

    def _count(self, index: int, value: int) -> None:
        self.zeros += (value == 0) - int(self.current[index] == 0)

    def at(
        self, indices: npt.NDArray[np.int64], times_s: npt.NDArray[np.float64], *, inclusive: bool
    ) -> npt.NDArray[np.int64]:
        """Values [n] of `indices` [n] at `times_s` [n].

        `inclusive` says whether a change at exactly that instant already counts.
        """
        values = self.current[indices]
        if self.latest_s < times_s.min(initial=math.inf):
            return values
        later = np.greater if inclusive else np.greater_equal
        past = np.flatnonzero(later(self.changed_s[indices], times_s))
        values[past] = self._before[indices[past]]
        past = past[later(self._before_since_s[indices[past]], times_s[past])]
        find = bisect_right if inclusive else bisect_left
        for position in past.tolist():
            index = int(indices[position])
            step = find(self._times[index], float(times_s[position])) - 1
            values[position] = self._values[index][step]
        return values
