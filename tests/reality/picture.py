"""The picture of docs/reality.md: how long rounds were to take, over how long they took."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.canvas import look
from tests.reality.compare import Comparison

TICKS_S = (2, 5, 10, 20, 50)
ENDS_S = (1.8, 75.0)
"""No round is longer than its world, nor much shorter than the fastest client's training."""


@look.looked
def figure(protocols: Mapping[str, Mapping[str, Comparison]], transport: str) -> Figure:
    """A panel for each protocol, both axes logarithmic; on the line is what was right."""
    made, axes = look.panels(len(protocols))
    for axis, style, (name, said) in zip(axes, look.STYLES, protocols.items(), strict=False):
        one = said[transport]
        _draw(axis, one, style)
        off = 100 * np.median(np.abs(one.rounds))
        axis.set_title(f"{name}: {off:.1f} % off")
    look.name_outer(axes, "real processes (s)", "simulated (s)")
    look.legend(made, [look.line_key("simulated = real")])
    made.suptitle(f"Each round: simulated, with {transport}, over real (error: median of its size)")
    return made


def _draw(axis: Axes, one: Comparison, style: look.Style) -> None:
    said_s = one.rounds_s * (1 + one.rounds)
    axis.loglog(one.rounds_s, said_s, style.marker, color=style.color, alpha=0.4, markeredgewidth=0)
    axis.plot(ENDS_S, ENDS_S, color=look.GREY, linewidth=look.THIN_WIDTH)
    axis.set(xlim=ENDS_S, ylim=ENDS_S)
    for each in (axis.xaxis, axis.yaxis):
        each.set_ticks(TICKS_S, [str(tick) for tick in TICKS_S])
        each.set_ticks([], minor=True)
