"""A statement as a file: CSV for spreadsheets, PDF for people. Made from its document alone, so that a closed month
always makes the same file. Must not know where the document comes from."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal

from ..spreadsheets import guarded
from ..typefaces import load_faces
from .errors import FontMissing
from .months import minutes_text, name_of

FileFormat = Literal["csv", "pdf"]
MEDIA_TYPES: Mapping[str, str] = {"csv": "text/csv; charset=utf-8", "pdf": "application/pdf"}
COLUMNS = (
    "month", "item", "meter", "direction", "prefix", "count", "quantity", "free", "price", "amount", "currency",
)  # fmt: skip


_TEXTS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "title": "Statement for {month}", "open": "The month is not over: this is how it stands.", "of": "Provider",
        "to": "Customer", "item": "Item", "quantity": "Quantity", "free": "Free", "price": "Price", "amount": "Amount",
        "opening": "Opening balance", "total": "Charges", "paid": "Payments and corrections",
        "closing": "Closing balance", "late": "Late, of {month}", "payment": "Payment", "credit": "Credit",
        "correction": "Correction", "unpriced": "Parts without a price: {count}", "operator": "Operator",
    },
    "ru": {
        "title": "Отчёт за {month}", "open": "Месяц ещё не закончился: это состояние на сегодня.", "of": "Исполнитель",
        "to": "Заказчик", "item": "Услуга", "quantity": "Количество", "free": "Бесплатно", "price": "Цена",
        "amount": "Сумма", "opening": "Остаток на начало", "total": "Начислено", "paid": "Платежи и корректировки",
        "closing": "Остаток на конец", "late": "Поздние, за {month}", "payment": "Платёж", "credit": "Зачисление",
        "correction": "Корректировка", "unpriced": "Позиций без цены: {count}", "operator": "Оператор",
    },
}  # fmt: skip
LANGUAGES = tuple(_TEXTS)


def make_file(form: FileFormat, document: Mapping[str, Any], language: str) -> bytes:
    """The statement as a file. Raises FontMissing."""
    return make_csv(document, language) if form == "csv" else make_pdf(document, language)


def all_lines(document: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Month and line, late ones too."""
    own = [(document["month"], line) for line in document["lines"]]
    return own + [(late["month"], line) for late in document["late"] for line in late["lines"]]


def make_csv(document: Mapping[str, Any], language: str) -> bytes:
    """One row a line and a payment, and the balances; amounts as they are in the ledger: charges below 0 are what was
    taken back."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\r\n")
    rows.writerow(COLUMNS)
    texts, currency, month = _TEXTS[language], document["currency"], document["month"]

    def sum_row(item: str, kind: str, amount: str) -> None:
        rows.writerow([month, item, kind, "", "", "", "", "", "", amount, currency])

    sum_row(texts["opening"], "opening_balance", document["opening_balance"])
    for of_month, line in all_lines(document):
        rows.writerow([
            of_month, guarded(name_of(line, language)), line["meter"], line["direction"], line["prefix"], line["count"],
            line["quantity"], line["free"], line["price"], line["amount"], currency,
        ])  # fmt: skip
    for payment in document["payments"]:
        sum_row(guarded(f"{texts[payment['kind']]} {payment['reference']}"), payment["kind"], payment["amount"])
    sum_row(texts["total"], "total", document["total"])
    sum_row(texts["paid"], "paid", document["paid"])
    sum_row(texts["closing"], "closing_balance", document["closing_balance"])
    return b"\xef\xbb\xbf" + out.getvalue().encode()


def make_pdf(document: Mapping[str, Any], language: str) -> bytes:
    """A4, as many pages as the lines need. Raises FontMissing."""
    # Loaded by the first such file: it is large, and most processes never make one.
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.lib.units import mm
    from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer, Table, TableStyle

    load_faces(FontMissing)
    texts = _TEXTS[language]
    plain = ParagraphStyle("plain", fontName="Dialtrace", fontSize=9, leading=12)
    title = ParagraphStyle("title", parent=plain, fontName="Dialtrace-Bold", fontSize=16, leading=22)
    out = io.BytesIO()
    page = SimpleDocTemplate(
        out, pagesize=A4, leftMargin=18 * mm, rightMargin=18 * mm, topMargin=18 * mm, bottomMargin=18 * mm,
        title=texts["title"].format(month=document["month"]), author=document["agency"]["name"], invariant=1,
    )  # fmt: skip
    style = TableStyle([
        ("FONT", (0, 0), (-1, -1), "Dialtrace", 8), ("FONT", (0, 0), (-1, 0), "Dialtrace-Bold", 8),
        ("ALIGN", (1, 0), (-1, -1), "RIGHT"), ("LINEBELOW", (0, 0), (-1, 0), 0.5, "#444444"),
        ("VALIGN", (0, 0), (-1, -1), "TOP"), ("LINEBELOW", (0, 1), (-1, -1), 0.25, "#dddddd"),
    ])  # fmt: skip
    story: list[Any] = [Paragraph(_markup(texts["title"].format(month=document["month"])), title)]
    story += [Paragraph(_markup(line), plain) for line in _heading(document, texts)]
    rows = [[Paragraph(_markup(row[0]), plain), *row[1:]] for row in _rows(document, texts, language)]
    head = [texts[name] for name in ("item", "quantity", "free", "price")] + [
        f"{texts['amount']}, {document['currency']}"
    ]
    widths = [78 * mm, 24 * mm, 22 * mm, 22 * mm, 28 * mm]
    story += [Spacer(1, 6 * mm), Table([head, *rows], colWidths=widths, repeatRows=1, style=style)]
    sums = [[texts[name], document[key]] for name, key in _SUMS]
    closing = TableStyle([
        ("FONT", (0, 0), (-1, -1), "Dialtrace", 9), ("FONT", (0, -1), (-1, -1), "Dialtrace-Bold", 9),
        ("ALIGN", (1, 0), (1, -1), "RIGHT"),
    ])  # fmt: skip
    story += [Spacer(1, 6 * mm), Table(sums, colWidths=[60 * mm, 34 * mm], hAlign="RIGHT", style=closing)]
    page.build(story)
    return out.getvalue()


_SUMS = (("opening", "opening_balance"), ("total", "total"), ("paid", "paid"), ("closing", "closing_balance"))


def _heading(document: Mapping[str, Any], texts: Mapping[str, str]) -> list[str]:
    """Who tells whom: an agency its client, or the operator an agency."""
    agency, client = document["agency"]["name"], document["client"]
    said = [f"{texts['of']}: {agency if client else texts['operator']}"]
    said.append(f"{texts['to']}: {client['name'] if client else agency}")
    if document["is_open"]:
        said.append(texts["open"])
    if document["unpriced"]:
        said.append(texts["unpriced"].format(count=document["unpriced"]))
    return said


def _rows(document: Mapping[str, Any], texts: Mapping[str, str], language: str) -> Sequence[list[str]]:
    rows = []
    for month, line in all_lines(document):
        name = name_of(line, language)
        late = "" if month == document["month"] else f" ({texts['late'].format(month=month)})"
        free = minutes_text(line, "free") if Decimal(line["free"]) else ""
        rows.append([name + late, minutes_text(line, "quantity"), free, line["price"] or "–", line["amount"]])
    for payment in document["payments"]:
        name = f"{texts[payment['kind']]} {payment['day']} {payment['reference']}"
        rows.append([name, "", "", "", payment["amount"]])
    return rows


def _markup(text: str) -> str:
    """As a paragraph takes it: no character of it is markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
