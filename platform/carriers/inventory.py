"""The adapter for numbers that are the operator's already: a CSV file beside the API.

Columns ``e164,country,region,kind`` with a header; the file is read anew whenever it has changed. A number that is in
service is told by the platform's own directory, so nothing is ever written to the file. Porting is done by hand: the
order waits as submitted until the operator says what became of it.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..phone import is_e164
from .errors import CarrierAway, CarrierRefuses
from .model import Offer, Progress, Wanted

MOST_ROWS = 1_000_000
_COLUMNS = {"e164", "country", "region", "kind"}


class InventoryFile:
    """``taken``: which of some numbers somebody has already."""

    def __init__(self, path: Path, taken: Callable[[Sequence[str]], Collection[str]]) -> None:
        self._path = path
        self._taken = taken

    def search(self, wanted: Wanted) -> Sequence[Offer]:
        found: list[Offer] = []
        fitting = [offer for offer in self._offers() if fits(offer, wanted)]
        for start in range(0, len(fitting), 500):
            some = fitting[start : start + 500]
            gone = self._taken([offer.e164 for offer in some])
            found += [offer for offer in some if offer.e164 not in gone]
            if len(found) >= wanted.limit:
                break
        return found[: wanted.limit]

    def order(self, e164: str, *, reference: str) -> Progress:
        if not any(offer.e164 == e164 for offer in self._offers()):
            raise CarrierRefuses("the number is not in the inventory")
        return Progress("active", reference)

    def port_in(self, e164: str, details: Mapping[str, Any], *, reference: str) -> Progress:
        return Progress("submitted", reference, "the operator carries it out by hand")

    def progress(self, reference: str) -> Progress:
        return Progress("submitted", reference)

    def cancel(self, reference: str) -> Progress:
        return Progress("cancelled", reference)

    def release(self, e164: str) -> bool:
        """It is there for the next one as soon as nobody has it."""
        return True

    def _offers(self) -> list[Offer]:
        try:
            with self._path.open(encoding="utf-8", newline="") as file:
                return read_offers(csv.DictReader(file))
        except OSError as error:
            raise CarrierAway(f"the inventory {self._path.name} cannot be read: {error.strerror}") from error
        except (UnicodeDecodeError, csv.Error, ValueError) as error:
            raise CarrierAway(f"the inventory {self._path.name} is no list of numbers: {error}") from error


def read_offers(rows: csv.DictReader[str]) -> list[Offer]:
    """Raises ValueError with the line of what is no number."""
    missing = _COLUMNS - set(rows.fieldnames or ())
    if missing:
        raise ValueError(f"line 1: no column {', '.join(sorted(missing))}")
    found = []
    for row in rows:
        if not is_e164(row["e164"]):
            raise ValueError(f"line {rows.line_num}: {row['e164'][:40]!r} is not E.164")
        found.append(Offer(row["e164"], row["country"], row["region"] or None, row["kind"] or "local"))
        if len(found) > MOST_ROWS:
            raise ValueError(f"more than {MOST_ROWS} numbers")
    return found


def fits(offer: Offer, wanted: Wanted) -> bool:
    """Whether it is what is looked for."""
    return (
        (wanted.country is None or offer.country == wanted.country)
        and (wanted.prefix is None or offer.e164.startswith(wanted.prefix))
        and (wanted.region is None or offer.region == wanted.region)
        and (wanted.kind is None or offer.kind == wanted.kind)
    )
