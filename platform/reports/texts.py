"""Titles of reports, of their sections, metrics and dimensions, in the reader's language."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from ..catalogues import read_catalogue
from .dictionary import DIMENSIONS, METRICS
from .named import RECIPES, TITLES

Language = Literal["en", "ru"]
LANGUAGES: tuple[Language, ...] = ("en", "ru")


#: What letters say besides.
LETTER_TEXTS = (
    "compared with %(span)s", "In other currencies than %(currency)s, left out: %(count)s", "Total", "All others",
    "not known", "Not called back", "No more of these letters", "Do you want no more of these letters?",
    "No more letters of this report are sent.", "This link is none of ours.",
)  # fmt: skip


def say(text: str, language: Language) -> str:
    """A title as it is said there."""
    return read_catalogue("dialtrace.reports", language).gettext(text)


def all_titles() -> Iterator[str]:
    """Every text that a catalogue has to have."""
    yield from LETTER_TEXTS
    yield from TITLES.values()
    for recipes in RECIPES.values():
        yield from (recipe.title for recipe in recipes)
    yield from (metric.title for metric in METRICS.values())
    yield from (dimension.title for dimension in DIMENSIONS.values())
