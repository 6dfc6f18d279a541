"""The picture of what a transfer takes says what its page says."""

import numpy as np

from docs import transport
from sim.world.transport import FLUID, Tcp
from tests.docs.examples import ROOT


def test_both_are_above_the_fluid_model_in_each_panel_and_come_near_it() -> None:
    panels = transport.figure().axes
    assert [panel.get_title() for panel in panels] == [
        "5 ms one way", "50 ms one way", "150 ms one way"
    ]  # fmt: skip
    for panel in panels:
        fluid, tcp, slow = (np.asarray(line.get_ydata(), dtype=np.float64) for line in panel.lines)
        ratio = tcp / fluid
        assert (ratio > 1).all() and ratio[0] > 10 and ratio[-1] < 1.04
        assert (slow > fluid).all() and slow[0] / fluid[0] < 1.01 and slow[-1] / fluid[-1] < 1.04


def test_the_pages_figures_are_those_of_the_closed_form() -> None:
    def longer(size_bytes: float, latency_s: float) -> float:
        pair_s, rates = np.full(1, latency_s), np.full(1, transport.NARROWER)
        fluid, tcp = (
            one.transfer_s(size_bytes, pair_s, pair_s, rates).item()
            for one in (FLUID, Tcp(kind="tcp"))
        )
        return float(tcp / fluid)

    text = (ROOT / "docs/explanation/transport.md").read_text(encoding="utf-8")
    for size, size_bytes in {"10 kB": 1e4, "100 kB": 1e5, "14 MB": 14e6, "100 MB": 1e8}.items():
        told = next(line for line in text.splitlines() if line.startswith(f"| {size} |"))
        words = [cell.replace("times", "") for cell in told.split("|")[2:5]]
        for word, latency_s in zip(words, transport.LATENCIES_S, strict=True):
            assert abs(float(word) / longer(size_bytes, latency_s) - 1) < 0.02
    for ratio, short in {1: 80, 20: 24, 100: 8}.items():
        size_bytes = ratio * transport.NARROWER * 2 * 0.05
        assert round(100 * (1 - 1 / longer(size_bytes, 0.05))) == short
        assert f"{short} %" in text
