"""Draws what transfers take, by each model: `python -m docs.transport FILE.png`."""

import sys
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from analysis.canvas import look
from analysis.figures.saving import save
from sim.world.transport import FLUID, Floats, SlowStart, Tcp, Transport

LATENCIES_S = (0.005, 0.05, 0.15)
NARROWER = 20e6 / 8
"""Bytes per second out of a client; those into one are more."""
SIZES = np.geomspace(1e3, 1e9, 121)
SHOWN: Mapping[str, Transport] = {
    "fluid: latency + size / bandwidth": FLUID,
    "tcp: SimGrid's LV08": Tcp(kind="tcp"),
    "slow_start: as measured": SlowStart(kind="slow_start"),
}


def times_s(transport: Transport, latency_s: float) -> Floats:
    """What a model of each of `SIZES` takes where nobody else is on the way."""
    pair_s, rates = np.full(1, latency_s), np.full(1, NARROWER)
    return np.array([transport.transfer_s(size, pair_s, pair_s, rates)[0] for size in SIZES])


@look.looked
def figure() -> Figure:
    """A panel for each latency, both axes logarithmic."""
    made, axes = look.panels(len(LATENCIES_S))
    styles = dict(zip(SHOWN, look.STYLES, strict=False))
    for axis, latency_s in zip(axes, LATENCIES_S, strict=True):
        for name, style in styles.items():
            seconds = times_s(SHOWN[name], latency_s)
            axis.loglog(SIZES / 1e6, seconds, color=style.color, linestyle=style.line)
        axis.set_title(f"{1e3 * latency_s:.0f} ms one way")
    look.name_outer(axes, "size of the model (MB)", "transfer (s)")
    look.legend(made, [look.key_of(name, style, marker=False) for name, style in styles.items()])
    made.suptitle("What a transfer takes on idle links of 20 Mbit/s up and 100 Mbit/s down")
    return made


if __name__ == "__main__":
    save(figure(), Path(sys.argv[1]))
