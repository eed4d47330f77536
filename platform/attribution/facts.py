"""Between rows and values: what the store has read of a call becomes what the match gets, and what it brings becomes a
row. Pure.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from .codes import read_code
from .curve import Curve
from .deciding import decide
from .matching import match_call
from .model import (
    PLACES,
    Attribution,
    CallSeen,
    Candidate,
    Correction,
    Earlier,
    Exposure,
    Match,
    Visit,
    source_of,
)
from .regions import comparable, region_of_number

Row = Mapping[str, Any]
#: The flow's own variable in which a promo code that was pressed stands.
CODE_VARIABLE = "promo_code"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallToMatch:
    """What the record of a call says. ``code``: what the caller pressed, if it can be a promo code."""

    call_id: uuid.UUID
    client_id: uuid.UUID
    started_at: datetime
    number_id: uuid.UUID | None
    caller: str | None
    code: str | None = None

    def as_row(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


def call_of(row: Mapping[str, Any]) -> CallToMatch:
    """What a record says of a call."""
    return CallToMatch(
        call_id=row["id"],
        client_id=row["client_id"],
        started_at=row["started_at"],
        number_id=row["number_id"],
        caller=row["caller"],
        code=pressed_code(row["facts"]),
    )


def pressed_code(facts: Row) -> str | None:
    """The promo code that a caller has pressed in a flow; None: none, or it was mistyped."""
    said = facts.get("variables", {}).get(CODE_VARIABLE)
    return read_code(str(said)) if said is not None else None


# Calls of one batch to one number were shown to the same visits.
_moment_of = lru_cache(maxsize=16_384)(datetime.fromisoformat)
_uuid_of = lru_cache(maxsize=16_384)(uuid.UUID)


def _moment(value: Any) -> datetime:
    return value if isinstance(value, datetime) else _moment_of(value)


def _uuid(value: Any) -> uuid.UUID:
    return value if isinstance(value, uuid.UUID) else _uuid_of(value)


def visit_of(row: Row, *, id_name: str = "visit_id", at_name: str = "visit_started_at") -> Visit:
    """A visit as a row tells of it."""
    site, visitor = row.get("site_id"), row.get("visitor_id")
    return Visit(
        id=_uuid(row[id_name]),
        started_at=_moment(row[at_name]),
        visitor_id=str(visitor) if visitor is not None else None,
        source=source_of(row),
        site_id=_uuid(site) if site is not None else None,
    )


def holders_of(row: Row) -> tuple[tuple[Visit, float], ...]:
    """Whose an earlier call was, as its attribution says; a visit that somebody named is certain."""
    if row.get("method") is None:
        return ()
    if row["method"] == "manual":
        return ((visit_of(row), 1.0),) if row["visit_id"] is not None else ()
    return tuple((visit_of(one), float(one["probability"])) for one in row["candidates"] or ())


def seen_of(call: CallToMatch, around: Row) -> CallSeen:
    """The call as the match gets it."""
    before = around["earlier"] or ()
    here = [one for one in before if call.number_id is not None and one["number_id"] == str(call.number_id)]
    earlier = Earlier(last_at=_moment(here[-1]["started_at"]), holders=holders_of(here[0])) if here else None
    return CallSeen(
        started_at=call.started_at,
        region=region_of_number(call.caller),
        is_known_caller=bool(before),
        earlier=earlier,
    )


def exposures_of(call: CallToMatch, around: Row) -> list[Exposure]:
    """The exposures of the called number, with what earlier calls say of their visitors."""
    own: dict[str, float] = {}
    for before in around["earlier"] or ():
        for visit, share in holders_of(before):
            if visit.visitor_id is not None:
                own[visit.visitor_id] = max(own.get(visit.visitor_id, 0.0), share)
    caller_region = region_of_number(call.caller)
    found = []
    for row in around["exposures"] or ():
        visit = visit_of(row)
        clicked = row["clicked_at"]
        found.append(
            Exposure(
                visit=visit,
                rung=row["rung"],
                shown_at=_moment(row["shown_at"]),
                seen_until=_moment(row["seen_until"]),
                clicked_at=_moment(clicked) if clicked is not None else None,
                device=row["device"],
                region=comparable(row["region"], caller_region),
                callers_own=own.get(visit.visitor_id or "", 0.0),
                called_by_other=float(row["called_by_other"] or 0.0),
            )
        )
    return found


def corrections_of(call: CallToMatch, around: Row) -> list[Correction]:
    """What was said of the call, and what the caller pressed, in order."""
    found = []
    if around["code"] is not None:
        found.append(Correction(kind="promo_code", said_at=call.started_at, visit=visit_of(around["code"])))
    for row in around["corrections"] or ():
        visit = visit_of(row) if row["visit_id"] is not None else None
        source = source_of(row) if row["names_source"] else None
        found.append(Correction(kind=row["kind"], said_at=_moment(row["said_at"]), visit=visit, source=source))
    return found


def site_of(around: Row) -> uuid.UUID | None:
    """The site whose curve applies: that of the latest exposure."""
    rows = around["exposures"] or ()
    return _uuid(rows[0]["site_id"]) if rows and rows[0]["site_id"] is not None else None


def knows_nothing(around: Row) -> bool:
    """Whether a call must come out as one of which nothing is known: most calls to a number that no page ever showed.
    Tells :func:`attribute` and :func:`says_something` beforehand, for a twentieth of the work."""
    facts = around["exposures"] or around["earlier"] or around["corrections"] or around["code"]
    return not facts and not source_of(around["number"] or {}).is_known


def attribute(call: CallToMatch, around: Row, curve: Curve) -> Attribution:
    """The attribution by everything that is known of a call."""
    exposures, seen = exposures_of(call, around), seen_of(call, around)
    match = match_call(seen, exposures, curve) if exposures or seen.earlier else Match(candidates=(), nobody=1.0)
    number = around["number"] or {}
    rung = "static" if number.get("kind") == "static" and source_of(number).is_known else None
    return decide(match, source_of(number), rung, corrections_of(call, around))


def says_something(found: Attribution) -> bool:
    """Whether it is worth a row: of a call of which nothing is known nothing is kept."""
    return found.method != "unknown" or bool(found.candidates) or found.rung is not None


def candidate_document(one: Candidate) -> dict[str, Any]:
    """As it stands in a row."""
    return {
        "visit_id": str(one.visit.id),
        "visit_started_at": one.visit.started_at.isoformat(),
        "visitor_id": one.visit.visitor_id,
        "probability": round(one.probability, PLACES),
        "rung": one.rung,
        **one.visit.source.as_dict(),
        "why": dict(one.why),
    }


def as_row(agency_id: uuid.UUID, call: CallToMatch, found: Attribution, curve_id: uuid.UUID | None) -> dict[str, Any]:
    """The row of `attributions`, without its revision. The digest is of what it says: the same again is no revision."""
    said: dict[str, Any] = {
        "method": found.method,
        "rung": found.rung,
        "visit_id": found.visit.id if found.visit else None,
        "visit_started_at": found.visit.started_at if found.visit else None,
        "visitor_id": found.visit.visitor_id if found.visit else None,
        "probability": found.probability,
        "nobody": found.nobody,
        **found.source.as_dict(),
        "source_probability": found.source_probability,
        "candidates": [candidate_document(one) for one in found.candidates],
    }
    return said | {
        "agency_id": agency_id,
        "call_id": call.call_id,
        "client_id": call.client_id,
        "call_started_at": call.started_at,
        "curve_id": curve_id,
        "digest": _digest(said),
    }


def _digest(said: Row) -> bytes:
    text = json.dumps(said, default=str, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).digest()


def paths_of(current: Row, candidates: Sequence[Row]) -> list[tuple[str | None, float, list[Row]]]:
    """Visitor → probability that he is the caller, and which of his visits say so, the likeliest first. A visitor who
    is not known again is each time another one."""
    if current["method"] == "manual":
        chosen = [{**current, "probability": 1.0}] if current["visit_id"] is not None else []
        return [(one["visitor_id"], 1.0, [one]) for one in chosen]
    grouped: dict[str, tuple[str | None, float, list[Row]]] = {}
    for one in candidates:
        key = one["visitor_id"] or one["visit_id"]
        visitor, share, rows = grouped.get(key, (one["visitor_id"], 0.0, []))
        grouped[key] = (visitor, share + float(one["probability"]), [*rows, one])
    return sorted(grouped.values(), key=lambda group: (-group[1], str(group[0])))
