"""Catalogues of texts (gettext), read as they are kept when the process starts: nothing is compiled that could be older
than what was written.
"""

from __future__ import annotations

import io
from functools import lru_cache
from gettext import GNUTranslations, NullTranslations
from importlib.resources import files

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po


@lru_cache
def read_catalogue(package: str, language: str) -> NullTranslations:
    """What ``texts/<language>.po`` of a package says; English is what the code says."""
    if language == "en":
        return NullTranslations()
    with (files(package) / "texts" / f"{language}.po").open("rb") as source:
        kept = read_po(source, locale=language)
    made = io.BytesIO()
    write_mo(made, kept)
    made.seek(0)
    return GNUTranslations(made)
