"""Gathers every text of the console and brings the catalogues up to date: `make texts`.

What is new stands there untranslated, what is no longer said is gone; a test fails on either. Nothing is guessed from a
text that was alike.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from .texts import LANGUAGES

HERE = Path(__file__).parent
METHODS = [("**.py", "python"), ("templates/**.html", "jinja2")]
KEYWORDS: dict[str, Any] = {"N_": None, "say": None, "_": None, "count": (1, 2)}
WIDTH = 120


def gathered() -> Catalog:
    """Every text that the code and the templates say. No line numbers: a catalogue changes with its texts alone."""
    catalogue = Catalog(charset="utf-8")
    found = extract_from_dir(HERE, METHODS, {"templates/**.html": {"silent": "false"}}, KEYWORDS)
    for file, _, text, _, _ in found:
        catalogue.add(text, locations=[(file, 0)])
    return catalogue


def kept(language: str) -> Catalog:
    with (HERE / "texts" / f"{language}.po").open("rb") as source:
        return read_po(source, locale=language)


def renewed(language: str) -> str:
    """The catalogue as it is to be kept: every text, in the order of the alphabet."""
    before, after = kept(language), Catalog(locale=language, charset="utf-8", fuzzy=False)
    for message in sorted(_texts(gathered()), key=lambda one: str(one.id)):
        old = before.get(message.id)
        after.add(message.id, old.string if old is not None else "")
    made = io.BytesIO()
    write_po(made, after, width=WIDTH, omit_header=True)
    head = 'msgid ""\nmsgstr ""\n"Language: {}\\n"\n"Content-Type: text/plain; charset=utf-8\\n"\n'
    head += '"Plural-Forms: {}\\n"\n\n'
    return head.format(language, after.plural_forms) + made.getvalue().decode()


def _texts(catalogue: Catalog) -> Iterator[Any]:
    return (message for message in catalogue if message.id)


def main() -> None:
    for language in LANGUAGES:
        if language != "en":
            (HERE / "texts" / f"{language}.po").write_text(renewed(language), encoding="utf-8")


if __name__ == "__main__":
    main()
