"""Colours of brands are made readable; charts are marks alone."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

from hypothesis import given
from hypothesis import strategies as st

from dialtrace.console.charts import columns, share, spark, waveform
from dialtrace.console.colours import PAPER, brand_style, contrast, ink_on, is_colour, readable

COLOURS = st.integers(0, 0xFFFFFF).map(lambda one: f"{one:06x}")


@given(COLOURS)
def test_given_any_brand_then_its_texts_are_readable(colour: str) -> None:
    assert contrast(ink_on(colour), colour) >= 4.5
    for ground in PAPER.values():
        assert contrast(readable(colour, ground), ground) >= 4.5


def test_given_what_is_no_colour_then_it_is_none() -> None:
    assert not any(is_colour(one) for one in ("", "12345", "1234567", "12345g", "1f4e79;}", "1F4E79"))
    assert brand_style("1f4e79", "c2571a").count("--brand:#1f4e79") == 3


def test_given_hostile_labels_then_a_chart_says_them_and_does_nothing_else() -> None:
    chart = str(columns(['<script>alert("x")</script>'], [("a", [3])], about='"><script>'))
    told = ElementTree.fromstring(chart.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
                                  if "xmlns" not in chart else chart)  # fmt: skip
    assert told.attrib["aria-label"] == '"><script>'
    assert not [one for one in told.iter() if one.tag.endswith(("script", "style", "image", "a"))]
    assert "style=" not in chart


def test_given_no_figures_then_nothing_fails() -> None:
    assert columns([], [("a", [])], about="nothing") == ""
    assert "<svg" in columns(["x"], [("a", [0])], about="nothing")
    assert "<polyline" in spark([])
    assert 'width="100.0"' in share(1.7)


def test_given_a_stereo_recording_then_the_caller_is_above_and_the_target_below() -> None:
    peaks = {"channels": 2, "bits": 8, "length": 2, "data": [-64, 0, 0, 32, -128, 127, 0, 0]}
    drawn = str(waveform(peaks))
    assert 'class="caller" d="M0 50.0 L0.0 25.0 L1000.0 0.0 L' in drawn
    assert 'class="target" d="M0 50.0 L0.0 62.5 L1000.0 50.0 L' in drawn
