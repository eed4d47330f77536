"""Plots as SVG that stands in the page itself: no library, no file, no address outside. Pure: numbers in, text out.

Colours come from the page's style, so that a plot is readable in light and dark.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from html import escape

WIDTH, HEIGHT = 860, 240
LEFT, RIGHT, TOP, BOTTOM = 56, 12, 12, 34
#: More points than pixels are only weight.
MOST_POINTS = 1200
NOTHING = '<p class="none">nothing was measured</p>'

Points = Sequence[tuple[float, float]]


def nice_steps(most: float, count: int = 5) -> list[float]:
    """Round values from 0 to ``most`` or a little beyond, about so many."""
    if most <= 0 or not math.isfinite(most):
        return [0.0, 1.0]
    rough = most / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough * 0.999)
    return [round(step * place, 10) for place in range(math.ceil(most / step - 1e-9) + 1)]


def short(value: float) -> str:
    """A tick's label."""
    return f"{value:,.0f}" if value >= 100 or value == int(value) else f"{value:g}"


def lines(series: Mapping[str, Points], *, x: str, y: str) -> str:
    """Lines over one axis of time (or anything else that rises); a name and a colour each."""
    shown = {name: points for name, points in series.items() if points}
    if not shown:
        return NOTHING
    xs = nice_steps(max(point[0] for points in shown.values() for point in points))
    ys = nice_steps(max(point[1] for points in shown.values() for point in points))
    body = [_grid(xs, ys, x, y)]
    for place, (name, points) in enumerate(shown.items()):
        kept = points[:: math.ceil(len(points) / MOST_POINTS)]
        told = " ".join(f"{_x(value, xs):.1f},{_y(other, ys):.1f}" for value, other in kept)
        body.append(f'<polyline class="s{place % 8}" points="{told}"><title>{escape(name)}</title></polyline>')
    return _figure(body, list(shown))


def bars(edges: Sequence[float], series: Mapping[str, Sequence[int]], *, x: str, y: str) -> str:
    """Distributions over the same buckets, side by side, each in per cent of its own whole. ``series`` have one value
    more than there are edges: what lies beyond the last."""
    shown = {name: counts for name, counts in series.items() if sum(counts)}
    if not shown:
        return NOTHING
    filled = [place for counts in shown.values() for place, count in enumerate(counts) if count]
    places = range(max(0, min(filled) - 1), min(len(edges), max(filled) + 1) + 1)
    names = [*(short(edge) for edge in edges), "more"]
    parts = {name: [100 * count / sum(counts) for count in counts] for name, counts in shown.items()}
    ys = nice_steps(max(max(values) for values in parts.values()))
    room = (WIDTH - LEFT - RIGHT) / len(places)
    body = [_grid([], ys, x, y)]
    for slot, place in enumerate(places):
        left = LEFT + slot * room
        body.append(f'<text class="tick" x="{left + room / 2:.1f}" y="{HEIGHT - BOTTOM + 14}">{names[place]}</text>')
        for index, (name, values) in enumerate(parts.items()):
            wide = room * 0.8 / len(parts)
            told = f"{name}: {values[place]:.1f} % up to {names[place]}"
            body.append(_bar(index, left + room * 0.1 + index * wide, wide, _y(values[place], ys), told))
    return _figure(body, list(parts))


def _bar(index: int, left: float, wide: float, top: float, told: str) -> str:
    return (
        f'<rect class="b{index % 8}" x="{left:.1f}" y="{top:.1f}" width="{wide:.1f}" '
        f'height="{HEIGHT - BOTTOM - top:.1f}"><title>{escape(told)}</title></rect>'
    )


def _figure(body: Sequence[str], names: Sequence[str]) -> str:
    legend = "".join(f'<li class="k{place % 8}">{escape(name)}</li>' for place, name in enumerate(names))
    drawn = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{"".join(body)}</svg>'
    return f'<figure>{drawn}<ul class="legend">{legend}</ul></figure>'


def _x(value: float, steps: Sequence[float]) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * value / (steps[-1] or 1)


def _y(value: float, steps: Sequence[float]) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - max(0.0, value) / (steps[-1] or 1))


def _grid(xs: Sequence[float], ys: Sequence[float], x: str, y: str) -> str:
    found = []
    for value in ys:
        at = _y(value, ys)
        found.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
        found.append(f'<text class="tick end" x="{LEFT - 6}" y="{at + 4:.1f}">{short(value)}</text>')
    found += [
        f'<text class="tick" x="{_x(value, xs):.1f}" y="{HEIGHT - BOTTOM + 14}">{short(value)}</text>' for value in xs
    ]
    found.append(f'<text class="axis" x="{WIDTH / 2}" y="{HEIGHT - 4}">{escape(x)}</text>')
    found.append(f'<text class="axis" transform="translate(12 {HEIGHT / 2}) rotate(-90)">{escape(y)}</text>')
    return "".join(found)
