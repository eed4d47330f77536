"""Takes callers out of records that are stored, and out of those that come late: of a person on the erasure list.

The list is read in the transaction that stores: an erasure waits for every writer that may have begun before its entry
(privacy.requests), so no record slips between the two.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from ..db.engine import Database
from ..phone import parse_e164
from ..subjects import Subject, Tally
from .anonymous import anonymous_call, anonymous_leg, kept_call_facts, kept_leg_facts
from .model import CallFacts, Facts, LegFacts
from .numbering import caller_e164

BATCH = 200

Calls = Sequence[tuple[UUID, datetime]]

_TO_ERASE = """
SELECT c.id, c.started_at FROM subject_calls s JOIN calls c
  ON c.agency_id = s.agency_id AND c.id = s.call_id AND c.started_at = s.call_started_at
WHERE s.agency_id = %s AND s.request_id = %s
  AND (c.anonymised_at IS NULL OR num_nonnulls(c.caller, c.caller_raw, c.caller_name, c.caller_key) > 0)
  AND NOT dialtrace_is_held(c.agency_id, c.client_id, c.id, c.caller, c.caller_key)
ORDER BY c.started_at, c.id LIMIT %s FOR UPDATE OF c
"""
_FACTS = """
SELECT c.id, c.started_at, c.facts FROM calls c
JOIN json_to_recordset(%s::json) AS w (id uuid, started_at timestamptz) ON c.id = w.id AND c.started_at = w.started_at
WHERE c.agency_id = %s FOR UPDATE OF c
"""
_LEG_FACTS = """
SELECT l.id, l.call_started_at AS started_at, l.facts FROM legs l
JOIN json_to_recordset(%s::json) AS w (id uuid, started_at timestamptz)
  ON l.call_id = w.id AND l.call_started_at = w.started_at
WHERE l.agency_id = %s FOR UPDATE OF l
"""
_ANONYMISE = """
UPDATE calls c SET
    caller_key = CASE WHEN %s THEN coalesce(c.caller_key, dialtrace_person_key(c.agency_id, c.caller)) END,
    caller = NULL, caller_raw = NULL, caller_name = NULL, sip_call_id = NULL, diversion = NULL,
    diverted_from = NULL, facts = w.facts,
    digest = sha256(uuid_send(c.id)), anonymised_at = now(), updated_at = now()
FROM json_to_recordset(%s::json) AS w (id uuid, started_at timestamptz, facts jsonb)
WHERE c.agency_id = %s AND c.id = w.id AND c.started_at = w.started_at
"""
_ANONYMISE_LEGS = """
UPDATE legs l SET sip_call_id = NULL, facts = w.facts, digest = sha256(uuid_send(l.id)), updated_at = now()
FROM json_to_recordset(%s::json) AS w (id uuid, started_at timestamptz, facts jsonb)
WHERE l.agency_id = %s AND l.id = w.id AND l.call_started_at = w.started_at
"""
_LISTED = """
SELECT n.number, e.id, e.client_id, e.before_at FROM unnest(%s::text[]) AS n (number)
JOIN erased_people e ON e.agency_id = %s AND e.person_key = dialtrace_person_key(%s, n.number)
"""
_ANY_LISTED = "SELECT EXISTS (SELECT FROM erased_people e WHERE e.agency_id = %s)"
_ANONYMOUS_CALLS = """
SELECT c.id FROM calls c JOIN unnest(%s::uuid[]) AS w (id) ON c.id = w.id
WHERE c.agency_id = %s AND c.anonymised_at IS NOT NULL
"""
_MARK = """
UPDATE calls c SET anonymised_at = now() FROM json_to_recordset(%s::json) AS w (id uuid, started_at timestamptz)
WHERE c.agency_id = %s AND c.id = w.id AND c.started_at = w.started_at AND c.anonymised_at IS NULL
"""
_LIST_CALLS = """
INSERT INTO subject_calls (agency_id, request_id, call_id, call_started_at, client_id)
SELECT %s, w.request_id, w.id, w.started_at, w.client_id
FROM json_to_recordset(%s::json) AS w (request_id uuid, id uuid, started_at timestamptz, client_id uuid)
ON CONFLICT DO NOTHING
"""
_NOT_BROUGHT_HOME = """
UPDATE recordings SET state = 'absent', absence_reason = 'erased', node_path = NULL, object_name = NULL,
    updated_at = now()
WHERE agency_id = %s AND call_id = ANY (%s::uuid[]) AND state NOT IN ('stored', 'verified', 'absent')
"""


def anonymise(connection: Any, agency_id: UUID, calls: Calls, *, keep_key: bool) -> int:
    """Takes the caller out of these records and their legs; ``keep_key``: the agency's keyed hash of the number stays,
    so that repeated callers can be counted. Returns how many records."""
    if not calls:
        return 0
    wanted = json.dumps([{"id": str(call_id), "started_at": started.isoformat()} for call_id, started in calls])
    found = connection.exec_driver_sql(_FACTS, (wanted, agency_id)).all()
    legs = connection.exec_driver_sql(_LEG_FACTS, (wanted, agency_id)).all()
    connection.exec_driver_sql(_ANONYMISE, (keep_key, _rows(found, kept_call_facts), agency_id))
    connection.exec_driver_sql(_ANONYMISE_LEGS, (_rows(legs, kept_leg_facts), agency_id))
    return len(found)


def _rows(found: Iterable[Any], kept: Any) -> str:
    rows = [{"id": str(row[0]), "started_at": row[1].isoformat(), "facts": kept(row[2])} for row in found]
    return json.dumps(rows, ensure_ascii=False)


class CallHolder:
    """The records of calls."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def anonymise(self, connection: Any, agency_id: UUID, calls: Calls, *, keep_key: bool) -> int:
        """For retention: inside its transaction, with its receipt."""
        return anonymise(connection, agency_id, calls, keep_key=keep_key)

    def erase(self, subject: Subject, tally: Tally) -> None:
        while True:
            with self._database.tenant(subject.agency_id, subject.client_id) as connection:
                rows = connection.exec_driver_sql(_TO_ERASE, (subject.agency_id, subject.request_id, BATCH)).all()
                if not rows:
                    return
                calls = [(row[0], row[1]) for row in rows]
                count = anonymise(connection, subject.agency_id, calls, keep_key=False)
                tally.note(connection, "calls", count)

    def export(self, subject: Subject) -> Iterator[tuple[str, Iterable[bytes]]]:
        """The tables' rows are given out as they are."""
        return iter(())


def numbers_of(call: CallFacts) -> set[str]:
    """Every number that the caller may be known by, a withheld one too."""
    raw = call.caller_raw
    found = {call.caller, caller_e164(raw), parse_e164(raw), parse_e164(raw, "RU")} if raw else {call.caller}
    return {number for number in found if number is not None}


@dataclass(frozen=True, slots=True)
class Outcome:
    """``facts``: as they may be stored. ``erased``: calls among them whose caller was taken out, each with the entries
    of the list that say so."""

    facts: list[Facts]
    erased: Mapping[UUID, frozenset[UUID]]


def take_out_listed(connection: Any, agency_id: UUID, facts: Sequence[Facts]) -> Outcome:
    """The facts, those of people on the agency's erasure list without the person."""
    if not connection.exec_driver_sql(_ANY_LISTED, (agency_id,)).scalar():
        return Outcome(list(facts), {})
    calls = [fact for fact in facts if isinstance(fact, CallFacts)]
    listed = _listed(connection, agency_id, calls)
    erased = {call.id: entries for call in calls if (entries := _entries(call, listed))}
    # A leg tells whose it is by its call, which may have been stored before.
    leg_calls = sorted({str(leg.call_id) for leg in facts if isinstance(leg, LegFacts) and leg.call_id not in erased})
    before = connection.exec_driver_sql(_ANONYMOUS_CALLS, (leg_calls, agency_id)).all() if leg_calls else []
    concerned = {*erased, *(row[0] for row in before)}
    return Outcome([_without_person(fact, concerned) for fact in facts], erased)


def settle_listed(connection: Any, agency_id: UUID, outcome: Outcome) -> None:
    """After such calls were stored: they say so, legs that came before them lose the person too, and nobody brings
    their recordings home."""
    calls = [fact for fact in outcome.facts if isinstance(fact, CallFacts) and fact.id in outcome.erased]
    if not calls:
        return
    wanted = json.dumps([{"id": str(call.id), "started_at": call.started_at.isoformat()} for call in calls])
    legs = connection.exec_driver_sql(_LEG_FACTS, (wanted, agency_id)).all()
    connection.exec_driver_sql(_ANONYMISE_LEGS, (_rows(legs, kept_leg_facts), agency_id))
    connection.exec_driver_sql(_MARK, (wanted, agency_id))
    rows = [
        {
            "request_id": str(entry),
            "id": str(call.id),
            "started_at": call.started_at.isoformat(),
            "client_id": str(call.client_id),
        }
        for call in calls
        for entry in outcome.erased[call.id]
    ]
    connection.exec_driver_sql(_LIST_CALLS, (agency_id, json.dumps(rows)))
    connection.exec_driver_sql(_NOT_BROUGHT_HOME, (agency_id, [str(call.id) for call in calls]))


def _without_person(fact: Facts, calls: set[UUID]) -> Facts:
    if isinstance(fact, CallFacts):
        return anonymous_call(fact) if fact.id in calls else fact
    return anonymous_leg(fact) if fact.call_id in calls else fact


#: Number → entries of the list: id, client (None: all), and the moment before which calls are concerned.
Listed = Mapping[str, Sequence[tuple[UUID, UUID | None, datetime]]]


def _listed(connection: Any, agency_id: UUID, calls: Sequence[CallFacts]) -> Listed:
    numbers = sorted({number for call in calls for number in numbers_of(call)})
    found: dict[str, list[tuple[UUID, UUID | None, datetime]]] = {}
    if numbers:
        for number, *entry in connection.exec_driver_sql(_LISTED, (numbers, agency_id, agency_id)):
            found.setdefault(number, []).append((entry[0], entry[1], entry[2]))
    return found


def _entries(call: CallFacts, listed: Listed) -> frozenset[UUID]:
    return frozenset(
        entry
        for number in numbers_of(call)
        for entry, client_id, before in listed.get(number, ())
        if client_id in {None, call.client_id} and call.started_at <= before
    )
