"""Bars as a PNG: mail readers show no SVG."""

from __future__ import annotations

import io
from collections.abc import Sequence

from ..typefaces import FACE
from .errors import FontMissing

#: Twice as many as are shown, for screens with small points.
_WIDTH, _BAR, _GAP, _LABEL, _VALUE, _SIZE = 1200, 28, 10, 300, 140, 22


def draw_bars(bars: Sequence[tuple[str, float]], colour: str) -> bytes:
    """One bar a line, its label before and its value behind it. Raises FontMissing."""
    # Loaded by the first picture: most processes never draw one.
    from PIL import Image, ImageDraw, ImageFont

    try:
        face = ImageFont.truetype(str(FACE), _SIZE)
    except OSError as error:
        raise FontMissing(f"{FACE}: {FontMissing.__doc__}") from error
    most = max((value for _, value in bars), default=0.0) or 1.0
    picture = Image.new("RGB", (_WIDTH, len(bars) * (_BAR + _GAP) + _GAP), "#ffffff")
    pen = ImageDraw.Draw(picture)
    for place, (label, value) in enumerate(bars):
        top = _GAP + place * (_BAR + _GAP)
        shown = label
        while shown and pen.textlength(shown, font=face) > _LABEL - 20:
            shown = shown[:-2] + "…" if len(shown) > 2 else ""
        pen.text((0, top), shown, font=face, fill="#222222")
        end = _LABEL + round((_WIDTH - _LABEL - _VALUE) * max(value, 0.0) / most)
        pen.rectangle((_LABEL, top, max(end, _LABEL + 1), top + _BAR), fill=colour)
        pen.text((end + 10, top), f"{value:,.0f}".replace(",", "\u00a0"), font=face, fill="#222222")
    out = io.BytesIO()
    picture.save(out, format="PNG", optimize=True)
    return out.getvalue()
