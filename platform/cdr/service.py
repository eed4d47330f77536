"""Use cases of call records: store what the files say, and read it again.

Storing is at-least-once from disk and exactly-once in effect: one transaction holds calls, legs, ledger rows and
events, keyed by the channels' UUIDs, so that a file that comes twice changes nothing. A record that the database
refuses is told apart from a database that is away. Must not know files, spools or the object store.
"""

from __future__ import annotations

import json
import uuid
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import sqlalchemy.exc
import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ..attribution.errors import AttributionBroken
from ..attribution.facts import CallToMatch, pressed_code
from ..attribution.making import NOTHING_MADE, Attributor, Made, revised
from ..db.engine import Database, turn_to
from ..db.errors import DatabaseError
from ..db.tables import OPERATOR_AGENCY, OPERATOR_CLIENT
from ..events.service import NewEvent, append
from ..ids import new_id
from ..metrics import CALLER_HABITS_LOST
from ..paging import Page, cut
from ..recording.model import node_path, object_name
from . import store
from .erasure import settle_listed, take_out_listed
from .errors import CallUnknown, CdrRefused
from .explain import Explanation, explain
from .habits import calls_to_note, scores_of
from .model import Call, CallDetail, CallFacts, CallFilters, Facts, LegFacts, Stored, attempts_without_leg
from .revision_store import find_replaced
from .revisions import Revision, revisions_of

log = structlog.get_logger("cdr")

#: Facts in one transaction. Above some hundred a larger one saves the processors nothing; but each commit waits for the
#: disk, and a busy one takes a tenth of a second and more for it.
MAX_BATCH = 2_000
#: Calls that wait to be counted for their callers' habits.
MAX_UNNOTED = 20_000
MAX_PAGE = 500
_OPERATOR = (uuid.UUID(OPERATOR_AGENCY), uuid.UUID(OPERATOR_CLIENT))

Tenant = tuple[uuid.UUID, uuid.UUID]


class CdrService:
    """Call records in one database."""

    def __init__(self, database: Database, attributor: Attributor | None = None) -> None:
        """``attributor``: says to which visits calls belong; only whoever stores needs one."""
        self._database = database
        self._attributor = attributor
        self._unnoted: list[dict[str, object]] = []

    # --- Storing. ---

    def store_batch(self, batch: Sequence[Facts]) -> list[Stored]:
        """Stores facts of files; the answer has one entry per fact, in order.

        Refused facts (``refused`` set) are the file's own fault. Raises the errors of `db.errors` when the database is:
        then nothing, or only some agencies' part, was stored, and the same batch again is harmless.
        """
        assert len(batch) <= MAX_BATCH, f"at most {MAX_BATCH} facts at a time"
        owned = self._with_tenants(batch)
        by_agency: dict[uuid.UUID, list[int]] = defaultdict(list)
        for index, facts in enumerate(owned):
            assert facts.agency_id is not None
            by_agency[facts.agency_id].append(index)
        results = self._store_all(owned, by_agency)
        stored = [results[index] for index in range(len(owned))]
        self._unnoted.extend(calls_to_note(stored)[: MAX_UNNOTED - len(self._unnoted)])
        return stored

    def note_habits(self) -> None:
        """Counts the calls that were stored since the last time for their callers' habits; about once a second. After
        the records are safe, and never in their way: counts that are lost only make a score less sure."""
        calls, self._unnoted = self._unnoted, []
        if not calls:
            return
        try:
            # Each statement by itself, one exchange: nobody reads what stands between them.
            noted = self._database.look_up("SELECT * FROM dialtrace_note_callers(%s)", (json.dumps(calls),))
            self._database.look_up("SELECT dialtrace_score_callers(%s)", (json.dumps(scores_of(noted)),))
        except (DatabaseError, sqlalchemy.exc.SQLAlchemyError) as fault:
            CALLER_HABITS_LOST.inc(len(calls))
            log.warning("callers' habits were not noted", calls=len(calls), fault=str(fault))

    def _with_tenants(self, batch: Sequence[Facts]) -> list[Facts]:
        """Every fact with agency and client: its own, its call's, the dialled number's, or the operator's."""
        known: dict[uuid.UUID, Tenant] = {}
        calls = [fact for fact in batch if isinstance(fact, CallFacts)]
        routes = self._routes(sorted({call.number for call in calls if not (call.agency_id and call.client_id)}))
        for call in calls:
            if call.agency_id and call.client_id:
                known[call.id] = (call.agency_id, call.client_id)
            else:
                known[call.id] = routes.get(call.number, _OPERATOR)
        owned: list[Facts] = []
        for fact in batch:
            if fact.agency_id and fact.client_id:
                owned.append(fact)
                continue
            call_id = fact.id if isinstance(fact, CallFacts) else fact.call_id
            agency_id, client_id = known.get(call_id, _OPERATOR)
            owned.append(replace(fact, agency_id=agency_id, client_id=client_id))
        return owned

    def _routes(self, numbers: Sequence[str]) -> dict[str, Tenant]:
        """Who has these numbers now: for calls that ended before anybody decided whose they are."""
        if not numbers:
            return {}
        with self._database.directory() as connection:
            return store.tenants_of_numbers(connection, numbers)

    def _store_all(self, owned: Sequence[Facts], by_agency: Mapping[uuid.UUID, Sequence[int]]) -> dict[int, Stored]:
        """Index → what became of it. One transaction for all agencies, in the order of their ids, so that two agents
        never wait for each other crosswise; each statement in it is one agency's."""
        if not by_agency:
            return {}
        facts = {agency_id: [owned[index] for index in indexes] for agency_id, indexes in by_agency.items()}
        made = self._attribute(facts)
        try:
            stored = self._store_agencies(facts, made)
        except CdrRefused:
            # One record poisons the transaction of all.
            stored = {agency_id: self._store_for_agency(agency_id, of_agency) for agency_id, of_agency in facts.items()}
            made = {agency_id: _all_missing(of_agency) for agency_id, of_agency in facts.items()}
        except AttributionBroken as broken:
            log.warning("records are stored without attributions", fault=str(broken.__cause__)[:200])
            stored = self._store_agencies(facts, {})
            made = {agency_id: _all_missing(of_agency) for agency_id, of_agency in facts.items()}
        self._postpone(made)
        return {
            index: one
            for agency_id, indexes in by_agency.items()
            for index, one in zip(indexes, stored[agency_id], strict=True)
        }

    def _store_agencies(
        self, facts: Mapping[uuid.UUID, Sequence[Facts]], made: Mapping[uuid.UUID, Made]
    ) -> dict[uuid.UUID, list[Stored]]:
        stored: dict[uuid.UUID, list[Stored]] = {}
        agencies = sorted(facts)
        with store.naming_refusals(), self._database.tenant(agencies[0]) as connection:
            for place, agency_id in enumerate(agencies):
                if place > 0:
                    turn_to(connection, agency_id)
                found = made.get(agency_id, NOTHING_MADE)
                stored[agency_id] = _store_together(connection, agency_id, facts[agency_id], found, self._attributor)
        return stored

    def _store_for_agency(self, agency_id: uuid.UUID, facts: Sequence[Facts]) -> list[Stored]:
        try:
            with store.naming_refusals(), self._database.tenant(agency_id) as connection:
                return _store_together(connection, agency_id, facts, NOTHING_MADE, None)
        except CdrRefused as refused:
            if len(facts) == 1:
                log.warning("a record is refused", record=str(facts[0].id), reason=str(refused))
                return [Stored(facts=facts[0], agency_id=agency_id, changed=False, revision=0, refused=str(refused))]
        # Each half by itself, so that only the one at fault stays out.
        middle = len(facts) // 2
        return [*self._store_for_agency(agency_id, facts[:middle]), *self._store_for_agency(agency_id, facts[middle:])]

    def _attribute(self, facts: Mapping[uuid.UUID, Sequence[Facts]]) -> dict[uuid.UUID, Made]:
        """Before the records' own transaction, with a time limit of its own; never raises."""
        if self._attributor is None:
            return {}
        return {agency_id: self._attributor.make(agency_id, to_match(one)) for agency_id, one in facts.items()}

    def _postpone(self, made: Mapping[uuid.UUID, Made]) -> None:
        if self._attributor is not None:
            for agency_id, found in made.items():
                self._attributor.postpone(agency_id, found.missing.values())

    # --- Reading. ---

    def list_calls(
        self,
        agency_id: uuid.UUID,
        client_id: uuid.UUID | None,
        filters: CallFilters,
        *,
        limit: int = 50,
        after: tuple[datetime, uuid.UUID] | None = None,
    ) -> Page[Call]:
        """Calls of an agency (or of one client), the latest start first. ``after``: the ``next`` of the page before."""
        limit = max(1, min(limit, MAX_PAGE))
        with self._database.tenant(agency_id, client_id) as connection:
            found = store.find_calls(connection, agency_id, client_id, filters, limit=limit + 1, before=after)
        return cut(found, limit, "started_at", "id")

    def get_call(self, agency_id: uuid.UUID, client_id: uuid.UUID | None, call_id: uuid.UUID) -> CallDetail:
        """One call with its legs and recordings. Raises CallUnknown, also for a call that is somebody else's."""
        with self._database.tenant(agency_id, client_id) as connection:
            return _detail(connection, agency_id, call_id)

    def list_revisions(
        self, agency_id: uuid.UUID, client_id: uuid.UUID | None, call_id: uuid.UUID
    ) -> tuple[Call, list[Revision]]:
        """What each revision of a call and its legs changed, in the order of time. Raises CallUnknown, also for a call
        that is somebody else's."""
        with self._database.tenant(agency_id, client_id) as connection:
            call = store.find_call(connection, agency_id, call_id)
            if call is None:
                raise CallUnknown(f"there is no call {call_id}")
            replaced, now = find_replaced(connection, agency_id, call)
        return call, revisions_of(replaced, now)

    def explain_call(
        self, agency_id: uuid.UUID, client_id: uuid.UUID | None, call_id: uuid.UUID, *, language: str = "en"
    ) -> Explanation:
        """Every decision of one call. Raises CallUnknown, also for a call that is somebody else's."""
        with self._database.tenant(agency_id, client_id) as connection:
            detail = _detail(connection, agency_id, call_id)
            around = store.find_surroundings(connection, agency_id, detail)
        return explain(detail, around, language=language)


def to_match(facts: Sequence[Facts]) -> list[CallToMatch]:
    """The calls among them that may belong to a visit: to a number that somebody has, and placed by no test."""
    calls = {fact.id: fact for fact in facts if isinstance(fact, CallFacts)}
    return [
        CallToMatch(
            call_id=call.id,
            client_id=call.client_id,
            started_at=call.started_at,
            number_id=call.number_id,
            caller=call.caller,
            code=pressed_code(call.facts),
        )
        for call in calls.values()
        if call.client_id is not None and call.number_id is not None and not call.is_test
    ]


def _all_missing(facts: Sequence[Facts]) -> Made:
    return Made(missing={call.call_id: call for call in to_match(facts)})


def _store_together(
    connection: Connection, agency_id: uuid.UUID, facts: Sequence[Facts], made: Made, attributor: Attributor | None
) -> list[Stored]:
    """Calls, legs, ledger rows, attributions and events of one agency, whose the transaction is at this moment."""
    outcome = take_out_listed(connection, agency_id, facts)
    facts = outcome.facts
    if outcome.erased:
        # What was found by an erased caller's number is not told.
        made = Made(rows={call_id: row for call_id, row in made.rows.items() if call_id not in outcome.erased})
    calls = list({fact.id: fact for fact in facts if isinstance(fact, CallFacts)}.values())
    legs = list({fact.id: fact for fact in facts if isinstance(fact, LegFacts)}.values())
    changed_legs = store.upsert_legs(connection, legs)
    targets = store.targets_of_legs(connection, agency_id, calls, legs)
    told = [call for call in calls if not call.is_stand_in]
    revisions = store.upsert_calls(connection, told, targets)
    stand_ins = [call for call in calls if call.is_stand_in]
    revisions |= store.upsert_calls(connection, stand_ins, targets, revise=False)
    changed_calls = [call for call in calls if call.id in revisions]
    store.add_to_ledger(connection, [row for call in changed_calls for row in ledger_rows(call)])
    store.put_consents(connection, agency_id, changed_calls)
    settle_listed(connection, agency_id, outcome)
    late = [leg for leg in legs if leg.id in changed_legs and leg.call_id not in revisions]
    events = [
        _told(call.id, call.client_id, call.started_at, call.ended_at, revisions[call.id]) for call in changed_calls
    ]
    for row in store.revise_for_late_legs(connection, agency_id, late):
        revisions[row["id"]] = row["revision"]
        events.append(_told(row["id"], row["client_id"], row["started_at"], row["ended_at"], row["revision"]))
    if attributor is not None and made.rows:
        events += _put_attributions(connection, agency_id, attributor, made, changed_calls)
    append(connection, agency_id, events)
    return [
        Stored(
            facts=fact,
            agency_id=agency_id,
            changed=fact.id in revisions or fact.id in changed_legs,
            revision=revisions.get(fact.id, 0),
            erased=fact.id in outcome.erased,
        )
        for fact in facts
    ]


def _put_attributions(
    connection: Connection, agency_id: uuid.UUID, attributor: Attributor, made: Made, changed: Sequence[CallFacts]
) -> list[NewEvent]:
    """One statement. The first revision goes out with `call.ended`; further ones have events of their own. Raises
    AttributionBroken: then the records are stored anew, without."""
    told = [call for call in changed if call.id in made.rows]
    try:
        revisions = attributor.put(connection, agency_id, [made.rows[call.id] for call in told])
    except SQLAlchemyError as fault:
        if isinstance(fault, DBAPIError) and fault.connection_invalidated:
            raise
        raise AttributionBroken from fault
    return [
        revised(made.rows[call.id], revisions[call.id], call.ended_at or call.started_at)
        for call in told
        if revisions.get(call.id, 1) > 1
    ]


def _detail(connection: Connection, agency_id: uuid.UUID, call_id: uuid.UUID) -> CallDetail:
    call = store.find_call(connection, agency_id, call_id)
    if call is None:
        raise CallUnknown(f"there is no call {call_id}")
    legs = store.find_legs(connection, agency_id, call)
    recordings = store.find_recordings(connection, agency_id, call_id)
    planned = [uuid.UUID(attempt) for attempt in call.facts.get("attempts", [])]
    without = attempts_without_leg(planned, legs, outcome=call.outcome, legs_expected=call.legs_expected)
    return CallDetail(call=call, legs=legs, recordings=recordings, attempts_without_leg=without)


def ledger_rows(call: CallFacts) -> list[dict[str, object]]:
    """What the ledger says of a call's recordings when its record is stored: on the node, or why there is none."""
    assert call.agency_id is not None
    refused = call.facts.get("consent") == "refused"
    # A node that died says nothing of the rule: that it took the recording with it is all that is known.
    lost = call.outcome == "node_lost"
    ruled_out = not call.segments and (lost or refused or call.facts.get("recording_rule") == "no")
    reason = "node_lost" if lost else "consent_refused" if refused else "rule_off"
    rows: list[dict[str, object]] = []
    for segment in call.segments or ((1,) if ruled_out else ()):
        rows.append(
            {
                "agency_id": call.agency_id,
                "id": new_id(),
                "client_id": call.client_id,
                "call_id": call.id,
                "call_started_at": call.started_at,
                "segment": segment,
                "state": "absent" if ruled_out else "on_node",
                "absence_reason": reason if ruled_out else None,
                "node": call.node,
                "node_path": None if ruled_out else str(node_path(call.started_at, call.id, segment)),
                "object_name": None if ruled_out else object_name(call.agency_id, call.started_at, call.id, segment),
            }
        )
    return rows


def _told(
    call_id: uuid.UUID, client_id: uuid.UUID | None, started_at: datetime, ended_at: datetime | None, revision: int
) -> NewEvent:
    """The record's first revision is `call.ended`, each further one `call.revised`; ids only, the body is read when it
    is sent (DESIGN, Data)."""
    return NewEvent(
        type="call.ended" if revision == 1 else "call.revised",
        occurred_at=ended_at or started_at,
        client_id=client_id,
        call_id=call_id,
        revision=revision,
        data={"started_at": started_at.isoformat()},
    )
