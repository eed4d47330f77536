"""What a price book's page shows: its editions, the prices of one, and the text that a new one is made of."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

from flask import request

from .errors import Fault
from .faults import fault_text
from .forms import Field, body_of, whole
from .reader import asking, reader, say
from .texts import N_

RATE = (
    "meter",
    "direction",
    "prefix",
    "amount",
    "setup",
    "minimum",
    "initial_s",
    "increment_s",
    "proration",
    "package",
)
_WHOLE = frozenset({"initial_s", "increment_s"})


def editions_of(book: Mapping[str, Any]) -> dict[str, Any]:
    """The last edition's prices, all editions, and the form of a new one."""
    path = f"/v1/price-books/{book['id']}/editions"
    editions = asking().get(path)["editions"]
    asked = whole(request.args.get("edition", "")) or (editions[-1]["edition"] if editions else 0)
    found = next((one for one in editions if one["edition"] == asked), None)
    shown = asking().get(f"{path}/{asked}") if found is not None else None
    return {
        "editions": editions, "edition": shown, "rates_text": rates_text(shown["rates"] if shown else ()),
        "edition_problem": "", "edition_faults": (), "rate_heads": RATE, "sent": {},
        "may_add": reader().may("billing.write") and (book["side"] == "client" or reader().reach == "operator"),
    }  # fmt: skip


def rates_text(rates: Any) -> str:
    """Prices as CSV: one a line, below their names."""
    made = io.StringIO()
    writer = csv.writer(made, lineterminator="\n")
    writer.writerow(RATE)
    writer.writerows([["" if one[name] is None else one[name] for name in RATE] for one in rates])
    return made.getvalue()


def rates_of(text: str) -> list[dict[str, Any]]:
    """Prices of such a text; what a line leaves out is the usual. Raises ValueError."""
    reads = csv.DictReader(io.StringIO(text.strip().replace(";", ",")), skipinitialspace=True)
    unknown = [name for name in reads.fieldnames or () if name not in RATE]
    if unknown or not reads.fieldnames:
        raise ValueError(", ".join(unknown) or text[:40])
    return [{name: _rate(name, value) for name, value in line.items() if name in RATE and value} for line in reads]


def _rate(name: str, value: str) -> Any:
    number = whole(value) if name in _WHOLE else None
    return value.strip() if number is None else number


_EDITION = (
    Field(name="valid_from", label=N_("Holds from"), kind="moment", required=True),
    Field(name="monthly_minimum", label=N_("A month costs at least"), empty="omit"),
)


def edition_of(form: Mapping[str, str]) -> dict[str, Any]:
    """What is asked of the API. Raises ValueError, which names what is no column."""
    return body_of(_EDITION, form, reader().speech.zone) | {"rates": rates_of(form.get("rates", ""))}


def line_fault(fault: Fault) -> str:
    """A fault of one price, by its line in the text: the first one names the columns."""
    text, parts = fault_text(fault, reader().speech), fault.place.split(".")
    number = whole(parts[1]) if parts[0] == "rates" and len(parts) > 1 else None
    if number is None:
        return f"{fault.place}: {text}"
    return say("Line %(line)s, %(column)s: %(what)s", line=number + 2, column=parts[-1], what=text)
