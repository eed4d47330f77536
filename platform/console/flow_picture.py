"""A flow as a picture: its steps one below the other, and beside them the ways that lead elsewhere. It is a way through
the page as well: each step is a link to its form. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

WIDTH, ROW, BOX_WIDTH, BOX_HEIGHT, LEFT = 640, 64, 300, 40, 12
#: Where the ways beside the boxes begin, after their labels, and how far they stand apart.
LANES, LANE = LEFT + BOX_WIDTH + 130, 16
LONGEST_LABEL = 22
#: Ways of one box that have a height of their own.
MOST_APART = 2


@dataclass(frozen=True, kw_only=True)
class Box:
    """``follows``: places of the steps that come after, each with what leads there; `-1` is the end of the flow."""

    title: str
    name: str
    follows: Sequence[tuple[str, int]]
    faulty: bool = False


@dataclass(frozen=True, kw_only=True)
class Way:
    """From one place to another; ``number``: which of those of its box."""

    begin: int
    end: int
    label: str
    number: int


def picture(boxes: Sequence[Box]) -> Markup:
    """One link for each step, arrows between them."""
    if not boxes:
        return Markup("")
    ways = [
        Way(begin=place, end=to, label=label, number=number)
        for place, box in enumerate(boxes)
        for number, (label, to) in enumerate(_beside_of(place, box))
    ]
    down = [place for place, box in enumerate(boxes) if any(to == place + 1 for _, to in box.follows)]
    short_first = sorted(ways, key=lambda one: (abs(one.end - one.begin), one.begin, one.number))
    parts = [*map(_down, down), *(_beside(way, lane) for lane, way in enumerate(short_first))]
    parts += [_box(place, box) for place, box in enumerate(boxes)]
    wide = max(WIDTH, LANES + LANE * (len(ways) + 1))
    head = Markup('<svg class="flow" viewBox="0 0 {} {}" role="group">').format(wide, ROW * len(boxes) + 8)
    return head + Markup("").join(parts) + Markup("</svg>")


def _beside_of(place: int, box: Box) -> list[tuple[str, int]]:
    """Ways that do not simply lead to the step below, with all that leads to one place in one."""
    told: dict[int, list[str]] = {}
    for label, to in box.follows:
        if to >= 0 and to != place + 1:
            told.setdefault(to, []).append(label)
    return [(", ".join(filter(None, labels)), to) for to, labels in told.items()]


def _top(place: int) -> int:
    return ROW * place + 8


def _box(place: int, box: Box) -> Markup:
    return Markup(
        '<a href="#step-{}"><rect class="{}" x="{}" y="{}" width="{}" height="{}" rx="8"/>'
        '<text x="{}" y="{}">{}. {}</text><text class="small" x="{}" y="{}">{}</text></a>'
    ).format(
        place + 1, "bad" if box.faulty else "box", LEFT, _top(place), BOX_WIDTH, BOX_HEIGHT, LEFT + 12,
        _top(place) + 17, place + 1, box.title, LEFT + 12, _top(place) + 33, box.name,
    )  # fmt: skip


def _down(place: int) -> Markup:
    x, top, end = LEFT + 40, _top(place) + BOX_HEIGHT, _top(place + 1)
    return Markup('<path class="way" d="M{} {}V{}"/><path class="tip" d="M{} {}l-5 -8h10z"/>').format(
        x, top, end - 2, x, end
    )


def _beside(way: Way, lane: int) -> Markup:
    """Out of a box to the right, along its own lane, and back into another."""
    right, x = LEFT + BOX_WIDTH, LANES + LANE * lane
    begin, end = _top(way.begin) + 12 + 12 * min(way.number, MOST_APART), _top(way.end) + BOX_HEIGHT - 6
    return Markup(
        '<path class="way" d="M{} {}H{}V{}H{}"/><path class="tip" d="M{} {}l8 -5v10z"/>'
        '<text class="small" x="{}" y="{}">{}</text>'
    ).format(right, begin, x, end, right + 2, right, end, right + 10, begin - 2, way.label[:LONGEST_LABEL])
