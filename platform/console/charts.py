"""Charts as SVG in the page itself, by leather: no script, no style of its own, readable in light and dark (the colours
are the page's variables). The same figures stand beside each chart as a table, for whoever reads without seeing. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import leather
from leather.theme import __dict__ as _theme
from markupsafe import Markup

_theme.update(
    background_color="none", title_color="var(--ink)", legend_color="var(--ink)", label_color="var(--soft)",
    tick_color="var(--grid)", zero_color="var(--edge)", tick_font_family="inherit", legend_font_family="inherit",
    tick_font_size=13, axis_title_color="var(--soft)", axis_title_font_family="inherit", title_gap=0,
)  # fmt: skip
WIDTH, HEIGHT = 900, 240
#: Labels that fit under a chart.
MOST_LABELS = 10
#: Of a waveform, in its own units.
WAVE_WIDTH, WAVE_HEIGHT = 1_000, 100


def columns(labels: Sequence[str], series: Sequence[tuple[str, Sequence[int]]], *, about: str) -> Markup:
    """Columns over the same labels, each series in front of the one before (a part in front of its whole). ``about``:
    what a reader of the screen is told."""
    if not labels:
        return Markup("")
    chart = leather.Chart()
    every = -(-len(labels) // MOST_LABELS) or 1
    # Two days of a long span may read the same: their place keeps them apart.
    places = [str(place) for place in range(len(labels))]
    for number, (name, values) in enumerate(series, 1):
        pairs = [(place, Decimal(value)) for place, value in zip(places, values, strict=True)]
        chart.add_columns(pairs, name=name, fill_color=f"var(--series-{number})")
    chart.add_x_axis(tick_formatter=lambda value, *_: labels[int(value)] if int(value) % every == 0 else "")
    most = max((max(values, default=0) for _, values in series), default=0)
    chart.add_y_scale(0, _round_up(most))
    chart.add_y_axis(ticks=[_round_up(most) * step // 4 for step in range(5)])
    return _named(chart.to_svg(width=WIDTH, height=HEIGHT), about)


def _round_up(most: int) -> int:
    """A round number, a multiple of four, that nothing goes beyond."""
    top = 4
    while top < most:
        top *= 2 if str(top)[0] in "48" else 5
        top = top if top < 16 else -(-top // 20) * 20
    return top


def _named(svg: str, about: str) -> Markup:
    body = svg.removeprefix("<svg ").replace(f'width="{WIDTH}" height="{HEIGHT}"', f'viewBox="0 0 {WIDTH} {HEIGHT}"', 1)
    return Markup('<svg role="img" aria-label="{}" ').format(about) + Markup(body)  # noqa: S704 - numbers and our labels


def waveform(peaks: dict[str, Any]) -> Markup:
    """A recording's loudness: the caller above, the target below; of one channel, all of it above and below."""
    data, channels = peaks["data"], int(peaks["channels"])
    length, most = int(peaks["length"]), float(2 ** (int(peaks["bits"]) - 1)) or 1.0
    half = WAVE_HEIGHT / 2
    paths = []
    for channel in range(min(channels, 2)):
        highs = [max(abs(data[2 * (place * channels + channel)]), abs(data[2 * (place * channels + channel) + 1]))
                 for place in range(length)]  # fmt: skip
        sign = -1 if channel == 0 else 1
        points = " ".join(
            f"L{WAVE_WIDTH * place / max(length - 1, 1):.1f} {half + sign * half * high / most:.1f}"
            for place, high in enumerate(highs)
        )
        name = "caller" if channel == 0 else "target"
        paths.append(f'<path class="{name}" d="M0 {half} {points} L{WAVE_WIDTH} {half}Z"/>')
    gone = f'<rect class="gone" x="0" y="0" width="0" height="{WAVE_HEIGHT}"/>'
    head = f'<svg viewBox="0 0 {WAVE_WIDTH} {WAVE_HEIGHT}" preserveAspectRatio="none" aria-hidden="true">'
    return Markup(head + "".join(paths) + gone + "</svg>")  # noqa: S704 - numbers alone


def spark(values: Sequence[float]) -> Markup:
    """A line without axes."""
    most = max(values, default=0) or 1
    points = " ".join(f"{100 * place / max(len(values) - 1, 1):.1f},{22 - 20 * value / most:.1f}"
                      for place, value in enumerate(values))  # fmt: skip
    head = '<svg class="spark" viewBox="0 0 100 24" preserveAspectRatio="none" aria-hidden="true">'
    return Markup(f'{head}<polyline points="{points}"/></svg>')  # noqa: S704 - numbers alone


def share(part: float) -> Markup:
    """A part of a whole, 0 to 1, as a bar."""
    wide = 100 * min(max(part, 0), 1)
    head = '<svg class="share" viewBox="0 0 100 4" preserveAspectRatio="none" aria-hidden="true">'
    bars = f'<rect class="whole" width="100" height="4"/><rect class="part" width="{wide:.1f}" height="4"/>'
    return Markup(f"{head}{bars}</svg>")  # noqa: S704 - numbers alone
