"""A report as files: PDF for people, a workbook for spreadsheets."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from ..typefaces import load_faces
from .errors import FontMissing
from .showing import MOST_LINES, Sheet, Shown

#: What a workbook allows in the name of a sheet.
_LONGEST_NAME, _REFUSED = 31, str.maketrans("", "", "[]:*?/\\'")


def make_sheets(shown: Shown) -> bytes:
    """A workbook: a sheet for each section, with every line, figures as numbers. No text of it is a formula."""
    # Loaded by the first such file, as those below.
    import xlsxwriter

    out = io.BytesIO()
    book = xlsxwriter.Workbook(out, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    bold = book.add_format({"bold": True})
    for place, sheet in enumerate(shown.sheets):
        page = book.add_worksheet(f"{place + 1} {sheet.title.translate(_REFUSED)}"[:_LONGEST_NAME])
        page.write_string(0, 0, f"{shown.title}: {shown.whose}", bold)
        page.write_string(1, 0, ", ".join(one for one in (shown.span, shown.compared) if one))
        page.write_row(3, 0, list(sheet.head), bold)
        for line, values in enumerate([*sheet.raw, sheet.raw_total]):
            page.write_row(4 + line, 0, ["" if value is None else value for value in values])
        page.autofit()
    book.close()
    return out.getvalue()


def make_pdf(shown: Shown, pictures: Mapping[str, bytes], colour: str) -> bytes:
    """A4 across, as many pages as it needs. Raises FontMissing."""
    from reportlab.lib.pagesizes import A4, landscape
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.lib.units import mm
    from reportlab.platypus import Image, Paragraph, SimpleDocTemplate, Spacer

    load_faces(FontMissing)
    plain = ParagraphStyle("plain", fontName="Dialtrace", fontSize=8, leading=10)
    big = ParagraphStyle("big", parent=plain, fontName="Dialtrace-Bold", fontSize=16, leading=22, textColor=colour)
    middle = ParagraphStyle("middle", parent=plain, fontName="Dialtrace-Bold", fontSize=11, leading=16)
    out = io.BytesIO()
    page = SimpleDocTemplate(
        out, pagesize=landscape(A4), leftMargin=15 * mm, rightMargin=15 * mm, topMargin=15 * mm, bottomMargin=15 * mm,
        title=shown.title, author=shown.whose, invariant=1,
    )  # fmt: skip
    story: list[Any] = [Paragraph(escape(f"{shown.title}: {shown.whose}"), big)]
    story.append(Paragraph(escape(", ".join(one for one in (shown.span, shown.compared) if one)), plain))
    for sheet in shown.sheets:
        story += [Spacer(1, 5 * mm), Paragraph(escape(sheet.title), middle)]
        if sheet.name in pictures:
            image = Image(io.BytesIO(pictures[sheet.name]))
            ratio = image.imageHeight / image.imageWidth
            width = min(150 * mm, 150 * mm / ratio)
            image.drawWidth, image.drawHeight = width, width * ratio
            story.append(image)
        story.append(_table(sheet, plain, page.width))
    story += [Paragraph(escape(note), plain) for note in shown.notes]
    page.build(story)
    return out.getvalue()


def _table(sheet: Sheet, plain: Any, width: float) -> Any:
    from reportlab.platypus import Paragraph, Table, TableStyle

    def cells(line: Sequence[str]) -> list[Any]:
        return [Paragraph(escape(value), plain) for value in line]

    style = TableStyle([
        ("VALIGN", (0, 0), (-1, -1), "TOP"), ("LINEBELOW", (0, 0), (-1, 0), 0.5, "#444444"),
        ("LINEBELOW", (0, 1), (-1, -1), 0.25, "#dddddd"), ("LEFTPADDING", (0, 0), (-1, -1), 2),
        ("RIGHTPADDING", (0, 0), (-1, -1), 2),
    ])  # fmt: skip
    if not sheet.words:
        pairs = [cells(pair) for pair in zip(sheet.head, sheet.total, strict=True)]
        return Table(pairs, colWidths=[width / 3, width / 5], style=style, hAlign="LEFT")
    rows = [cells(line) for line in [sheet.head, *sheet.lines[:MOST_LINES], sheet.total]]
    return Table(rows, colWidths=[width / len(sheet.head)] * len(sheet.head), repeatRows=1, style=style)
