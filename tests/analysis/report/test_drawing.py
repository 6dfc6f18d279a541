"""What figures hand to the page's script: JSON's numbers, and texts that are no markup."""

import math

from analysis.figures.look import REFERENCE_STYLES, STYLES
from analysis.report.drawing import escaped, marker, plain, stroke, translucent


def test_numbers() -> None:
    assert plain([1 / 3, 1234567.0, math.nan, math.inf]) == [0.33333, 1234600.0, None, None]


def test_texts() -> None:
    assert escaped("<b>a & b</b>") == "&lt;b&gt;a &amp; b&lt;/b&gt;"


def test_a_band_is_the_line_s_colour() -> None:
    assert translucent("#0072B2") == "rgba(0,114,178,0.18)"


def test_every_style_has_a_line_and_a_marker_of_its_own() -> None:
    styles = [*STYLES, *REFERENCE_STYLES]
    assert stroke(STYLES[0])["dash"] == "solid"
    assert stroke(STYLES[1])["dash"] == "7px,4px"
    assert len({stroke(style)["dash"] for style in styles}) == len(styles)
    assert len({marker(style)["symbol"] for style in styles}) == len(styles)
