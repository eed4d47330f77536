"""Use cases of attribution: read it, correct it, give promo codes, take in impressions, compare models.

Must not know HTTP. What is done with each call by itself is `making`, what follows by job `following`.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from ..clock import Clock
from ..db.engine import Database
from ..ids import new_id
from ..metrics import ATTRIBUTION_CORRECTIONS
from . import learn_store, said_store, store
from .codes import CODES, code_of, read_code
from .comparing import Comparison, Question, compare
from .errors import CallNotThere, CodeUnknown, CorrectionRefused, ImpressionRefused, NoCodeFree, VisitUnknown
from .following import Follower
from .model import NO_SOURCE, CorrectionKind, Source

#: For so long a promo code leads to its visit.
CODE_DAYS = 30
CODE_TRIES = 20
MOST_IMPRESSIONS = 1_000
IMPRESSION_DAYS = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCorrection:
    """What somebody says of a call. `manual`: a visit, or a source, or neither (it belongs to none)."""

    kind: CorrectionKind
    visit_id: uuid.UUID | None = None
    source: Source = NO_SOURCE
    code: str | None = None
    note: str | None = None

    def __post_init__(self) -> None:
        if self.kind == "promo_code" and self.code is None:
            raise CorrectionRefused("code", "is needed where a promo code is said")
        if self.kind == "self_reported" and not self.source.is_known:
            raise CorrectionRefused("source", "is needed where the caller said where he came from")
        if self.kind != "promo_code" and self.code is not None:
            raise CorrectionRefused("code", "is for a promo code only")
        if self.kind != "manual" and self.visit_id is not None:
            raise CorrectionRefused("visit_id", "is for a manual correction only")
        if self.kind in {"withdrawn", "promo_code"} and self.source != NO_SOURCE:
            raise CorrectionRefused("source", f"has no meaning with {self.kind}")
        if self.visit_id is not None and self.source != NO_SOURCE:
            raise CorrectionRefused("source", "is the visit's, where a visit is named")


@dataclass(frozen=True, slots=True, kw_only=True)
class Impression:
    """An advertisement that a visitor was shown. ``reference``: what the advertising system calls it."""

    reference: str
    visitor_id: str
    shown_at: datetime
    source: Source


@dataclass(frozen=True, slots=True, kw_only=True)
class CallAttribution:
    """All that is known: the revisions (the last one counts), what was said, and the touches of the last revision.
    ``is_open``: something is still to be done by job."""

    call_id: uuid.UUID
    client_id: uuid.UUID
    started_at: datetime
    revisions: Sequence[Mapping[str, Any]]
    corrections: Sequence[Mapping[str, Any]]
    touches: Sequence[Mapping[str, Any]]


class AttributionService:
    """Attribution of one database."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._follower = Follower(database, clock)

    def get(self, agency_id: uuid.UUID, client_id: uuid.UUID | None, call_id: uuid.UUID) -> CallAttribution:
        """Raises CallNotThere, also for a call that is somebody else's."""
        with self._database.tenant(agency_id, client_id) as connection:
            call = _call(connection, agency_id, client_id, call_id)
            revisions = store.find_revisions(connection, agency_id, call_id)
            last = revisions[-1]["revision"] if revisions else None
            touches = [
                one for one in learn_store.find_touches(connection, agency_id, [call_id]) if one["revision"] == last
            ]
            return CallAttribution(
                call_id=call_id,
                client_id=call["client_id"],
                started_at=call["started_at"],
                revisions=revisions,
                corrections=said_store.find_corrections(connection, agency_id, call_id),
                touches=touches,
            )

    def current(self, agency_id: uuid.UUID, call_ids: Sequence[uuid.UUID]) -> dict[uuid.UUID, Mapping[str, Any]]:
        """Call → the last revision, of those that have one."""
        with self._database.tenant(agency_id) as connection:
            return dict(store.find_current(connection, agency_id, call_ids))

    def correct(
        self,
        agency_id: uuid.UUID,
        client_id: uuid.UUID | None,
        call_id: uuid.UUID,
        said: NewCorrection,
        *,
        said_by: uuid.UUID | None,
    ) -> CallAttribution:
        """Adds one more fact and matches the call anew, in one transaction. Raises CallNotThere, VisitUnknown,
        CodeUnknown."""
        with self._database.tenant(agency_id, client_id) as connection:
            call = _call(connection, agency_id, client_id, call_id)
            visit = self._visit_of(connection, agency_id, call, said)
            values: dict[str, Any] = {
                "agency_id": agency_id,
                "id": new_id(),
                "client_id": call["client_id"],
                "call_id": call_id,
                "call_started_at": call["started_at"],
                "kind": said.kind,
                "said_at": self._clock.now(),
                "said_by": said_by,
                "visit_id": visit["id"] if visit else None,
                "visit_started_at": visit["started_at"] if visit else None,
                "code": read_code(said.code) if said.code is not None else None,
                "note": said.note,
            }
            said_store.insert_correction(connection, values | said.source.as_dict())
            self._follower.match_again(connection, agency_id, [(call_id, call["started_at"])])
        ATTRIBUTION_CORRECTIONS.labels(said.kind).inc()
        return self.get(agency_id, client_id, call_id)

    def _visit_of(
        self, connection: Connection, agency_id: uuid.UUID, call: Mapping[str, Any], said: NewCorrection
    ) -> Mapping[str, Any] | None:
        """The visit that was named, by its id or by its code."""
        if said.kind == "promo_code":
            code = read_code(said.code or "")
            row = code and said_store.find_code(connection, agency_id, call["client_id"], code, call["started_at"])
            if not row:
                raise CodeUnknown(said.code or "")
            return {"id": row["visit_id"], "started_at": row["visit_started_at"]}
        if said.visit_id is None:
            return None
        visit = find_visit(connection, agency_id, said.visit_id)
        if visit["client_id"] != call["client_id"]:
            raise VisitUnknown(f"there is no visit {said.visit_id}")
        return visit

    def give_code(
        self,
        agency_id: uuid.UUID,
        client_id: uuid.UUID | None,
        visit_id: uuid.UUID,
        *,
        site_id: uuid.UUID | None = None,
    ) -> tuple[str, datetime]:
        """The promo code of a visit (``site_id``: that was on this site), and until when it leads to it; asked again it
        is the same. Raises VisitUnknown, NoCodeFree."""
        now = self._clock.now()
        with self._database.tenant(agency_id, client_id) as connection:
            visit = find_visit(connection, agency_id, visit_id)
            if site_id not in {None, visit["site_id"]}:
                raise VisitUnknown(f"there is no visit {visit_id}")
            known = said_store.find_code_of_visit(connection, agency_id, visit_id, now)
            if known is not None:
                return known
            expires = now + timedelta(days=CODE_DAYS)
            for _ in range(CODE_TRIES):
                code = code_of(secrets.randbelow(CODES))
                values = {
                    "agency_id": agency_id,
                    "client_id": visit["client_id"],
                    "code": code,
                    "visit_id": visit_id,
                    "visit_started_at": visit["started_at"],
                    "given_at": now,
                    "expires_at": expires,
                }
                if said_store.take_code(connection, values):
                    return code, expires
        raise NoCodeFree("no promo code was found free; ask again later")

    def import_impressions(
        self, agency_id: uuid.UUID, client_id: uuid.UUID, given: Sequence[Impression]
    ) -> tuple[int, int]:
        """How many are new, and how many calls are looked at again because of them. Raises ImpressionRefused; then none
        is kept."""
        now = self._clock.now()
        for place, one in enumerate(given):
            if one.shown_at > now or one.shown_at < now - timedelta(days=IMPRESSION_DAYS):
                raise ImpressionRefused(
                    f"impressions/{place}/shown_at",
                    f"lies within the last {IMPRESSION_DAYS} days, not at {one.shown_at}",
                )
            if not one.source.is_known:
                raise ImpressionRefused(f"impressions/{place}/source", "names a channel or a source")
        rows = [
            {
                "agency_id": agency_id,
                "client_id": client_id,
                "reference": one.reference,
                "visitor_id": one.visitor_id,
                "shown_at": one.shown_at,
                **one.source.as_dict(),
            }
            for one in {each.reference: each for each in given}.values()
        ]
        with self._database.tenant(agency_id, client_id) as connection:
            new = set(said_store.insert_impressions(connection, rows)) if rows else set()
            visitors = sorted({one.visitor_id for one in given if one.reference in new})
            since = min((one.shown_at for one in given), default=now)
            calls = said_store.calls_of_visitors(connection, agency_id, client_id, visitors, since)
            store.put_due(connection, agency_id, calls, "touches")
        return len(new), len(calls)

    def compare(self, agency_id: uuid.UUID, client_id: uuid.UUID | None, question: Question) -> Comparison:
        """Several models for the same calls. Raises ModelRefused."""
        return compare(self._database, agency_id, client_id, question)


def _call(
    connection: Connection, agency_id: uuid.UUID, client_id: uuid.UUID | None, call_id: uuid.UUID
) -> Mapping[str, Any]:
    call = store.find_call(connection, agency_id, client_id, call_id)
    if call is None:
        raise CallNotThere(f"there is no call {call_id}")
    return call


def find_visit(connection: Connection, agency_id: uuid.UUID, visit_id: uuid.UUID) -> Mapping[str, Any]:
    """A visit by its id, whose first 48 bits are the millisecond of its start. Raises VisitUnknown."""
    try:
        began = datetime.fromtimestamp((visit_id.int >> 80) / 1000, tz=UTC)
    except (OverflowError, ValueError, OSError):
        raise VisitUnknown(f"there is no visit {visit_id}") from None
    span = timedelta(milliseconds=2)
    visit = said_store.find_visit(connection, agency_id, visit_id, began - span, began + span)
    if visit is None:
        raise VisitUnknown(f"there is no visit {visit_id}")
    return visit
