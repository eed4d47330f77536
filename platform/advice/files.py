"""Negative keywords as a file for a spreadsheet, or for the import of an advertising system. Pure."""

from __future__ import annotations

import csv
import io

from ..spreadsheets import guarded
from .model import NegativeKeywords

_COLUMNS = ("campaign", "keyword", "calls", "target_calls", "clicks", "cost", "probability")


def keyword_file(found: NegativeKeywords) -> bytes:
    """CSV in UTF-8 with a byte order mark, so that a spreadsheet reads Cyrillic words right."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(_COLUMNS)
    for one in found.keywords:
        of = one.keyword
        writer.writerow(
            [guarded(of.campaign or ""), guarded(of.keyword), of.calls, of.target_calls, of.clicks, of.cost,
             f"{one.probability:.4f}"]
        )  # fmt: skip
    return b"\xef\xbb\xbf" + out.getvalue().encode("utf-8", "replace")
