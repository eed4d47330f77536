"""A brand's colours made readable (WCAG 2.2, 1.4.3). Pure."""

from __future__ import annotations

import re

_COLOUR = re.compile(r"[0-9a-f]{6}")
#: Of the page, in light and dark: static/console.css.
PAPER = {"light": "f6f7f9", "dark": "14181d"}
#: What text on its ground must have.
ENOUGH = 4.6


def is_colour(text: str) -> bool:
    """Six hexadecimal digits."""
    return _COLOUR.fullmatch(text) is not None


def luminance(colour: str) -> float:
    parts = (int(colour[place : place + 2], 16) / 255 for place in (0, 2, 4))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """1 to 21."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def ink_on(ground: str) -> str:
    """Black or white, whichever is read better."""
    return max(("ffffff", "000000"), key=lambda ink: contrast(ink, ground))


def readable(colour: str, ground: str) -> str:
    """The colour, moved towards the ink of the ground until it is readable there."""
    ink, kept = ink_on(ground), colour
    for step in range(1, 21):
        if contrast(kept, ground) >= ENOUGH:
            return kept
        kept = _mixed(colour, ink, step / 20)
    return ink


def _mixed(one: str, other: str, share: float) -> str:
    pairs = ((int(one[place : place + 2], 16), int(other[place : place + 2], 16)) for place in (0, 2, 4))
    return "".join(f"{round(left + (right - left) * share):02x}" for left, right in pairs)


def brand_style(colour: str, accent: str) -> str:
    """The style sheet of a brand, for light and dark."""

    def lines(theme: str) -> str:
        ground = PAPER[theme]
        told = {
            "brand": colour, "on-brand": ink_on(colour), "link": readable(colour, ground),
            "accent": readable(accent, ground),
        }  # fmt: skip
        return "".join(f"--{name}:#{value};" for name, value in told.items())

    dark = lines("dark")
    return (
        f":root{{{lines('light')}}}\n"
        f"@media (prefers-color-scheme:dark){{:root:not([data-theme=light]){{{dark}}}}}\n"
        f":root[data-theme=dark]{{{dark}}}\n"
    )
