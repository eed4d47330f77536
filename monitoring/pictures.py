"""Draws each dashboard with the data that a Prometheus has: the pictures in the docs, and a look at a dashboard
without Grafana.

`python -m dialtrace.monitoring.pictures http://127.0.0.1:9090 docs/pictures [--minutes 5]` writes one SVG for each, and
fails when a panel has no data: a picture with an empty panel would say that all is well.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import isfinite
from pathlib import Path

from .dashboards import DASHBOARDS, Dashboard, Panel

POINTS = 80
WIDE, HIGH, GAP, TOP = 1200, 190, 12, 46
#: Told apart on white and, roughly, by whoever sees few colours (Okabe and Ito).
COLOURS = (
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#7f7f7f", "#882255", "#44aa99",
    "#999933", "#332288",
)  # fmt: skip
MOST_LINES = 12


@dataclass(frozen=True)
class Line:
    """One curve: its legend, and values on the common grid of moments; None where there is none."""

    legend: str
    values: Sequence[float | None]


class PanelEmpty(Exception):
    """A panel has no data."""


def legend_of(pattern: str, labels: Mapping[str, str]) -> str:
    """Grafana's `{{label}}` filled in."""
    for name, value in labels.items():
        pattern = pattern.replace("{{" + name + "}}", value)
    return pattern.replace("{{", "").replace("}}", "")


def read(prometheus: str, panel: Panel, begins_s: float, ends_s: float) -> list[Line]:
    """The panel's curves. Raises PanelEmpty for a query without data."""
    step_s = (ends_s - begins_s) / POINTS
    lines = []
    for pattern, query in panel.queries.items():
        for variable in ("$node", "$trunk", "$agency"):
            query = query.replace(variable, ".*")
        asked = urllib.parse.urlencode({"query": query, "start": begins_s, "end": ends_s, "step": f"{step_s:.1f}"})
        with urllib.request.urlopen(f"{prometheus}/api/v1/query_range?{asked}", timeout=20) as answer:  # noqa: S310
            found = json.load(answer)["data"]["result"]
        if not found:
            raise PanelEmpty(f"{panel.title}: {query}")
        for one in found:
            grid: list[float | None] = [None] * (POINTS + 1)
            for at_s, text in one["values"]:
                if isfinite(value := float(text)):
                    grid[min(POINTS, round((float(at_s) - begins_s) / step_s))] = value
            lines.append(Line(legend_of(pattern, one["metric"]) or panel.title, grid))
    return sorted(lines, key=lambda line: line.legend)[:MOST_LINES]


def shown(value: float, unit: str) -> str:
    """A number as a reader wants it."""
    if unit == "percentunit":
        return f"{100 * value:.1f} %"
    if unit in ("bytes", "Bps"):
        for word, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
            if value >= size:
                return f"{value / size:.1f} {word}B"
    if unit == "s":
        return f"{1000 * value:.1f} ms" if value < 1 else f"{value:.1f} s"
    return f"{value:.3g}"


def draw(page: Dashboard, data: Mapping[str, Sequence[Line]], span_min: float) -> str:
    """The dashboard as one SVG."""
    placed, left, top = [], 0.0, 0.0
    for panel in page.panels:
        width = WIDE * panel.width / 24
        if left + width > WIDE + 1:
            left, top = 0.0, top + HIGH + GAP
        placed.append((panel, left, top, width - GAP))
        left += width
    height = TOP + top + HIGH + GAP
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDE} {height:.0f}" font-size="11"'
        f' font-family="DejaVu Sans, sans-serif"><title>{escape(page.title)}</title>',
        '<rect width="100%" height="100%" fill="#fff"/>',
        f'<text x="8" y="24" font-size="17" font-weight="bold">{escape(page.title)}</text>',
        f'<text x="8" y="40" fill="#4b5a69">the last {span_min:g} minutes of a demonstration</text>',
    ]
    for panel, x, y, width in placed:
        parts += _panel(panel, data[panel.title], x + 6, y + TOP, width)
    return "\n".join([*parts, "</svg>\n"])


def _panel(panel: Panel, lines: Sequence[Line], x: float, y: float, width: float) -> Iterator[str]:
    yield f'<rect x="{x:.0f}" y="{y:.0f}" width="{width:.0f}" height="{HIGH}" rx="4" fill="#f7f9fb" stroke="#c6ced6"/>'
    yield f'<text x="{x + 8:.0f}" y="{y + 17:.0f}" font-weight="bold">{escape(panel.title)}</text>'
    known = [value for line in lines for value in line.values if value is not None]
    if panel.kind == "stat":
        text = shown(known[-1], panel.unit) if known else "no value"
        yield f'<text x="{x + width / 2:.0f}" y="{y + 110:.0f}" font-size="34" text-anchor="middle">{text}</text>'
        return
    most, least = max([*known, 0.0]) or 1.0, min([*known, 0.0])
    legends = (len(lines) + 2) // 3
    low, high = y + HIGH - 10 - 15 * legends, y + 28
    plot = (x + 62, width - 72)
    for share in (0.0, 0.5, 1.0):
        at = low - (low - high) * share
        yield f'<line x1="{plot[0]:.0f}" x2="{plot[0] + plot[1]:.0f}" y1="{at:.1f}" y2="{at:.1f}" stroke="#dde3e8"/>'
        told = shown(least + (most - least) * share, panel.unit)
        yield f'<text x="{plot[0] - 5:.0f}" y="{at + 4:.1f}" text-anchor="end" fill="#4b5a69">{told}</text>'
    for index, line in enumerate(lines):
        colour, path, drawing = COLOURS[index % len(COLOURS)], "", False
        for point, value in enumerate(line.values):
            if value is not None:
                px, py = plot[0] + plot[1] * point / POINTS, low - (low - high) * (value - least) / (most - least)
                path += f"{'L' if drawing else 'M'}{px:.1f} {py:.1f}" + ("" if drawing else "h0.8")
            drawing = value is not None
        yield f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.6"/>'
        lx, ly = x + 10 + (index % 3) * (width - 16) / 3, y + HIGH - 6 - 15 * (legends - 1 - index // 3)
        yield f'<rect x="{lx:.0f}" y="{ly - 8:.0f}" width="9" height="9" fill="{colour}"/>'
        room = int((width - 16) / 3 / 6.6) - 2
        yield f'<text x="{lx + 13:.0f}" y="{ly:.0f}">{escape(line.legend[:room])}</text>'


def main(words: Sequence[str]) -> int:
    """The exit status: 1 when a panel has no data."""
    parser = argparse.ArgumentParser(description="Draw every dashboard with a Prometheus' data.")
    parser.add_argument("prometheus", help="its address, such as http://127.0.0.1:9090")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=5.0)
    asked = parser.parse_args(words)
    ends_s = time.time()
    empty: list[str] = []
    asked.folder.mkdir(parents=True, exist_ok=True)
    for page in DASHBOARDS:
        data: dict[str, list[Line]] = {}
        for panel in page.panels:
            try:
                data[panel.title] = read(asked.prometheus, panel, ends_s - 60 * asked.minutes, ends_s)
            except PanelEmpty as error:
                empty.append(f"{page.title} / {error}")
                data[panel.title] = []
        (asked.folder / f"{page.uid}.svg").write_text(draw(page, data, asked.minutes), encoding="utf-8")
    for one in empty:
        sys.stderr.write(f"no data: {one}\n")
    return 1 if empty else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
