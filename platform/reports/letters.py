"""A report as a letter: text, HTML with pictures, and files. Pure but for the fonts of this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape

from ..mail.model import Attachment, Letter
from .files import make_pdf, make_sheets
from .named import NamedReport
from .pictures import draw_bars
from .showing import MOST_LINES, Sheet, Shown, show
from .subscription_model import FileForm
from .texts import Language, say

_MEDIA_TYPES = {
    "pdf": "application/pdf",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
#: Groups that a picture is readable with.
_FEWEST_BARS, _MOST_BARS = 2, 31


def make_letter(
    made: NamedReport,
    *,
    language: Language,
    whose: str,
    names: Mapping[str, str],
    files: Sequence[FileForm],
    id: str,
    to: str,
    sender: str,
    sender_name: str,
    colour: str,
    at: datetime,
    way_out: str,
) -> Letter:
    """``way_out``: the link by which whoever reads it ends it. Raises FontMissing."""
    shown = show(made, language, whose, names)
    pictures = {
        sheet.name: draw_bars(sheet.bars, colour)
        for sheet in shown.sheets
        if _FEWEST_BARS <= len(sheet.bars) <= _MOST_BARS and any(value for _, value in sheet.bars)
    }
    stem = f"{made.kind}-{made.first.isoformat()}"
    makers = {"pdf": lambda: make_pdf(shown, pictures, colour), "xlsx": lambda: make_sheets(shown)}
    return Letter(
        id=id,
        to=to,
        subject=f"{shown.title}, {shown.span}: {whose}",
        text=_text(shown, way_out, language),
        html=_html(shown, pictures, way_out, language, colour),
        pictures=pictures,
        files=[
            Attachment(name=f"{stem}.{form}", media_type=_MEDIA_TYPES[form], content=makers[form]()) for form in files
        ],
        sender=sender,
        sender_name=sender_name,
        language=language,
        at=at,
        unsubscribe_url=way_out,
    )


def _text(shown: Shown, way_out: str, language: Language) -> str:
    said = [f"{shown.title}: {shown.whose}", " ".join(one for one in (shown.span, shown.compared) if one), ""]
    for sheet in shown.sheets:
        said += [sheet.title, "-" * len(sheet.title)]
        if not sheet.words:
            said += [f"{name}: {value}" for name, value in zip(sheet.head, sheet.total, strict=True)]
        else:
            said += ["; ".join(_named(sheet, line)) for line in [*sheet.lines[:MOST_LINES], sheet.total]]
        said.append("")
    if shown.missed:
        said += [say("Not called back", language), *(f"{caller}: {calls}" for caller, calls in shown.missed), ""]
    return "\n".join([*said, *shown.notes, f"{say('No more of these letters', language)}: {way_out}", ""])


def _named(sheet: Sheet, line: Sequence[str]) -> list[str]:
    words = " / ".join(one for one in line[: sheet.words] if one)
    figures = zip(sheet.head[sheet.words :], line[sheet.words :], strict=True)
    return [words, *(f"{name} {value}" for name, value in figures)]


_CELL = "padding:4px 8px;border-bottom:1px solid #dddddd;"


def _html(shown: Shown, pictures: Mapping[str, bytes], way_out: str, language: Language, colour: str) -> str:
    """Tables with styles of their own: mail readers know no style sheets."""
    parts = [
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        f"<title>{escape(shown.title)}</title></head>"
        '<body style="font-family:Arial,Helvetica,sans-serif;font-size:14px;color:#222222;background:#ffffff">'
        f'<h1 style="font-size:20px;color:{colour}">{escape(shown.title)}: {escape(shown.whose)}</h1>'
        f"<p>{escape(shown.span)}{', ' if shown.compared else ''}{escape(shown.compared)}</p>"
    ]
    for sheet in shown.sheets:
        parts.append(f'<h2 style="font-size:16px">{escape(sheet.title)}</h2>')
        if sheet.name in pictures:
            parts.append(
                f'<p><img src="cid:{sheet.name}" alt="{escape(sheet.title)}: {escape(sheet.head[1])}" width="600"></p>'
            )
        parts.append(_table(sheet))
    if shown.missed:
        rows = "".join(f"<li>{escape(caller)}: {escape(calls)}</li>" for caller, calls in shown.missed)
        parts.append(f'<h2 style="font-size:16px">{escape(say("Not called back", language))}</h2><ul>{rows}</ul>')
    parts += [f"<p>{escape(note)}</p>" for note in shown.notes]
    parts.append(
        f'<p style="font-size:12px"><a href="{escape(way_out)}" style="color:{colour}">'
        f"{escape(say('No more of these letters', language))}</a></p></body></html>"
    )
    return "".join(parts)


def _table(sheet: Sheet) -> str:
    if not sheet.words:
        pairs = zip(sheet.head, sheet.total, strict=True)
        rows = "".join(
            f'<tr><th scope="row" style="{_CELL}text-align:left;font-weight:normal">{escape(name)}</th>'
            f'<td style="{_CELL}text-align:right"><b>{escape(value)}</b></td></tr>'
            for name, value in pairs
        )
        return f'<table style="border-collapse:collapse">{rows}</table>'
    head = "".join(f'<th scope="col" style="{_CELL}text-align:left">{escape(name)}</th>' for name in sheet.head)
    rows = "".join(_row(sheet, line, "") for line in sheet.lines[:MOST_LINES])
    return (
        f'<table style="border-collapse:collapse"><tr>{head}</tr>{rows}{_row(sheet, sheet.total, "font-weight:bold;")}'
        "</table>"
    )


def _row(sheet: Sheet, line: Sequence[str], style: str) -> str:
    cells = (
        f'<td style="{_CELL}{style}text-align:{"left" if place < sheet.words else "right"}">{escape(value)}</td>'
        for place, value in enumerate(line)
    )
    return f"<tr>{''.join(cells)}</tr>"
