"""Carries out what persons ask for, step by step: each may be repeated after a crash at any point, and none holds a
transaction longer than one bounded piece of work.

An erasure: put the person on the erasure list, so that what comes late is stored without them; find their calls; let
every holder erase; wait until no writer runs that may not have seen the list, no call of the person stands and each
node has looked through its disk; let every holder erase once more; then tell the agency, sign the receipt and forget
the number, all in one transaction. An export: find, gather a ZIP file, store it, sign the receipt.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

import structlog
from sqlalchemy import Connection

from ..clock import Clock
from ..db.engine import Database
from ..errors import DialtraceError
from ..events.service import NewEvent, append
from ..ids import new_id
from ..jobs.model import Done, Job, Later, Outcome
from ..metrics import (
    SUBJECT_REQUESTS_DONE,
    SUBJECT_REQUESTS_FAILED,
    SUBJECT_REQUESTS_OLDEST_SECONDS,
    SUBJECT_REQUESTS_OPEN,
)
from ..subjects import Holder, Subject
from . import copy_store, request_store
from .model import SubjectRequest
from .receipts import name_digest
from .signing import Signer
from .tables_walk import TableHolder, spans

log = structlog.get_logger("privacy")

#: Who takes a request has it for so long; a process that was killed lets go of it by that.
CLAIM = timedelta(minutes=10)
#: A failed try is repeated after this, longer each time.
FIRST_WAIT, LONGEST_WAIT = timedelta(seconds=5), timedelta(hours=1)
#: While it waits for calls and nodes it is looked at this often.
LOOK_AGAIN = timedelta(seconds=5)
FILE_LIFE = timedelta(days=7)
CALLS_PER_EVENT = 500
#: The names of so many objects stand in a receipt as hashes; of what goes beyond, the number alone.
MOST_OBJECTS = 5_000


class Objects(Protocol):
    """Where files are kept (objectstore)."""

    def put_file(self, name: str, path: Path, *, sha256: bytes) -> None: ...


@dataclass(frozen=True, slots=True)
class RequestTally:
    """Notes what one request has done."""

    agency_id: UUID
    request_id: UUID

    def note(self, connection: Connection, what: str, count: int, *, objects: Sequence[str] = ()) -> None:
        hashes = [name_digest(name) for name in objects][:MOST_OBJECTS]
        request_store.tally(connection, self.agency_id, self.request_id, what, count, hashes)


class RequestRunner:
    """Works on requests. ``holders``: what each room holds, in the order in which they are asked; the records
    themselves come last, for the others find by them what is theirs. ``step`` is called between any two steps."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        signer: Signer,
        objects: Objects,
        *,
        holders: Mapping[str, Holder],
        step: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._signer = signer
        self._objects = objects
        self._tables = TableHolder(database)
        self._holders = dict(holders)
        self._step = step

    def carry_out(self, job: Job) -> Outcome:
        """The job ``privacy.carry_out``: every request that can go on does; one that waits is looked at again soon."""
        self.run_due()
        job.go_on()
        with self._database.directory() as connection:
            rows = request_store.requests_open(connection)
        for row in rows:
            SUBJECT_REQUESTS_OPEN.labels(row["kind"]).set(row["open"])
            SUBJECT_REQUESTS_OLDEST_SECONDS.labels(row["kind"]).set(row["oldest_s"])
        return Later(LOOK_AGAIN.total_seconds()) if any(row["open"] for row in rows) else Done()

    def run_due(self, *, most: int = 100) -> int:
        """Goes on with every request that can; returns how many were looked at."""
        with self._database.directory() as connection:
            due = request_store.requests_due(connection, most)
        for agency_id, request_id in due:
            self.run(agency_id, request_id)
        return len(due)

    def run(self, agency_id: UUID, request_id: UUID) -> SubjectRequest | None:
        """Goes on with one request as far as it gets; None: somebody else has it, or it is done. A failure is noted
        with the request, and it is tried again."""
        now = self._clock.now()
        with self._database.tenant(agency_id) as connection:
            request = request_store.claim_request(connection, agency_id, request_id, now=now, until=now + CLAIM)
        if request is None:
            return None
        try:
            return self._export(request) if request.kind == "export" else self._erase(request)
        except (DialtraceError, OSError) as error:
            SUBJECT_REQUESTS_FAILED.labels(request.kind).inc()
            log.error("a person's request failed and is tried again", request=str(request.id), why=repr(error)[:300])
            wait = min(LONGEST_WAIT, FIRST_WAIT * 2 ** min(request.attempts - 1, 10))
            return self._change(request, fault=type(error).__name__, claimed_until=self._clock.now() + wait)

    # --- Erasing. ---

    def _erase(self, request: SubjectRequest) -> SubjectRequest:
        with self._database.tenant(request.agency_id) as connection:
            holds = request_store.holds_on_person(connection, request)
        if holds:
            return self._rest(request, "held", {"holds": holds})
        if request.phase == "find":
            request = self._begin(request)
        assert request.before_at is not None, "a person on the list has a moment"
        subject = _subject(request, request.before_at)
        if request.phase == "first":
            self._erase_everywhere(request, subject)
            request = self._change(request, phase="wait")
        if request.phase == "wait":
            waits = self._waits(request)
            if waits:
                return self._rest(request, "waiting", waits)
            request = self._change(request, phase="again")
        self._erase_everywhere(request, subject)
        with self._database.tenant(request.agency_id) as connection:
            held = request_store.count_held_calls(connection, request, subject.before)
        if held:
            # Looked at again from here once a hold is lifted.
            return self._rest(request, "held", {"held_calls": held})
        return self._finish_erasure(request, subject)

    def _begin(self, request: SubjectRequest) -> SubjectRequest:
        """On the list. A node's clock may be ahead of ours: a call that stands is one that began before."""
        with self._database.tenant(request.agency_id) as connection:
            standing = [row["started_at"] for row in request_store.find_standing(connection, request)]
            before = max([self._clock.now(), *standing])
            request = request_store.list_person(connection, request, before)
            return request_store.change_request(connection, request, phase="first")

    def _erase_everywhere(self, request: SubjectRequest, subject: Subject) -> None:
        self._find(request, subject, spare_held=True)
        self._step("found")
        tally = RequestTally(request.agency_id, request.id)
        for name, holder in self._holders.items():
            holder.erase(subject, tally)
            self._step(name)
        self._tables.erase(subject, tally)
        self._step("tables")

    def _find(self, request: SubjectRequest, subject: Subject, *, spare_held: bool) -> None:
        scope = (request.agency_id, request.client_id)
        with self._database.tenant(*scope) as connection:
            request_store.find_calls(connection, request, subject.before, spare_held=spare_held)
        for span in spans(self._database, subject):
            with self._database.tenant(*scope) as connection:
                request_store.find_written_calls(
                    connection, request, subject.before, subject.pattern, span, spare_held=spare_held
                )

    def _waits(self, request: SubjectRequest) -> dict[str, Any]:
        """What must be over before anybody can say that nothing is left."""
        now, waits = self._clock.now(), dict[str, Any]()
        with self._database.tenant(request.agency_id) as connection:
            if request_store.writers_from_before(connection, request):
                waits["writers"] = True
            standing = request_store.find_standing(connection, request)
            if standing:
                request_store.forget_dead_calls(connection, request.agency_id, [row["call_id"] for row in standing])
                waits["standing_calls"] = len(standing)
            nodes = request_store.find_nodes(connection, request.agency_id, request.id, now=now)
        if missing := sorted(name for name, how in nodes.items() if how == "waits"):
            waits["nodes"] = missing
        return waits

    def _finish_erasure(self, request: SubjectRequest, subject: Subject) -> SubjectRequest:
        named = self._tables.named_by_tenants(subject)
        now = self._clock.now()
        with self._database.tenant(request.agency_id) as connection:
            fresh = request_store.find_request(connection, request.agency_id, request.id)
            assert fresh is not None, "a request that is claimed stays"
            calls = request_store.request_calls(connection, request)
            nodes = request_store.find_nodes(connection, request.agency_id, request.id, now=now)
            objects = _foreign(connection, request, calls)
            append(connection, request.agency_id, _events(request, calls, now, objects))
            facts = _facts(fresh, calls, now) | {
                "before": subject.before,
                "nodes_swept": sorted(name for name, how in nodes.items() if how == "swept"),
                "nodes_unreached": sorted(name for name, how in nodes.items() if how != "swept"),
                "named_by_tenants": named,
            }
            return self._finish(connection, request, now, facts)

    def _finish(
        self, connection: Connection, request: SubjectRequest, now: datetime, facts: dict[str, Any], **more: Any
    ) -> SubjectRequest:
        receipt = self._signer.write(
            connection,
            agency_id=request.agency_id,
            client_id=request.client_id,
            kind=request.kind,
            made_at=now,
            facts=facts,
            request_id=request.id,
        )
        request_store.forget_answers(connection, request)
        SUBJECT_REQUESTS_DONE.labels(request.kind).inc()
        values: dict[str, Any] = {
            "state": "done",
            "phase": "done",
            "phone": None,
            "fault": None,
            "claimed_until": None,
            "waits": {},
        }
        return request_store.change_request(
            connection, request, receipt_id=receipt.id, finished_at=now, **values, **more
        )

    # --- Exporting. ---

    def _export(self, request: SubjectRequest) -> SubjectRequest:
        now = self._clock.now()
        subject = _subject(request, now)
        self._find(request, subject, spare_held=False)
        with tempfile.TemporaryDirectory(prefix="dialtrace-export-") as folder:
            path = Path(folder) / "person.zip"
            files = self._write_file(path, request, subject)
            digest = _sha256(path)
            name = f"{request.agency_id}/persons/{now:%Y/%m/%d}/{request.id}.zip"
            self._objects.put_file(name, path, sha256=digest)
            size_bytes = path.stat().st_size
        self._step("stored")
        copy_id = new_id()
        with self._database.tenant(request.agency_id) as connection:
            copy_store.insert_copy(
                connection,
                {
                    "agency_id": request.agency_id,
                    "id": copy_id,
                    "client_id": request.client_id,
                    "kind": "subject",
                    "format": "zip",
                    "content": "person",
                    "object_name": name,
                    "size_bytes": size_bytes,
                    "sha256": digest,
                    "made_at": now,
                    "expires_at": now + FILE_LIFE,
                },
            )
            calls = request_store.request_calls(connection, request)
            facts = _facts(request, calls, now) | {"files": files, "sha256": digest, "size_bytes": size_bytes}
            return self._finish(connection, request, now, facts, object_id=copy_id)

    def _write_file(self, path: Path, request: SubjectRequest, subject: Subject) -> int:
        """Everything that is held, as a ZIP file; returns how many files are in it."""
        count = 0
        about = {"phone": subject.number, "request": str(request.id), "asked_at": request.requested_at.isoformat()}
        with zipfile.ZipFile(path, "w", compression=zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("about.json", json.dumps(about, indent=1))
            for holder in (self._tables, *self._holders.values()):
                for name, blocks in holder.export(subject):
                    with archive.open(name, "w", force_zip64=True) as file:
                        for block in blocks:
                            file.write(block)
                    count += 1
        return count

    # --- Between steps. ---

    def _change(self, request: SubjectRequest, **values: Any) -> SubjectRequest:
        with self._database.tenant(request.agency_id) as connection:
            return request_store.change_request(connection, request, **values)

    def _rest(self, request: SubjectRequest, state: str, waits: dict[str, Any]) -> SubjectRequest:
        """Not further now; the next run goes on from here."""
        until = self._clock.now() + LOOK_AGAIN
        return self._change(request, state=state, waits=waits, fault=None, claimed_until=until)


def _subject(request: SubjectRequest, before: datetime) -> Subject:
    assert request.phone is not None, "the number is there until the request is done"
    return Subject(
        agency_id=request.agency_id,
        client_id=request.client_id,
        request_id=request.id,
        number=request.phone,
        key=request.person_key,
        before=before,
    )


def _facts(request: SubjectRequest, calls: Sequence[tuple[UUID, datetime, UUID]], now: datetime) -> dict[str, Any]:
    counts = dict(request.counts)
    objects = counts.pop("objects", [])
    return {
        "rule": f"a person's request to {request.kind}",
        "person": request.person_key,
        "requested_at": request.requested_at,
        "requested_by": request.requested_by,
        "finished_at": now,
        "counts": counts | {"calls_found": len(calls)},
        "from": min((started for _, started, _ in calls), default=None),
        "until": max((started for _, started, _ in calls), default=None),
        "objects": objects[:MOST_OBJECTS],
    }


def _foreign(
    connection: Connection, request: SubjectRequest, calls: Sequence[tuple[UUID, datetime, UUID]]
) -> list[str]:
    """Objects in the agency's own bucket in which the calls may stand."""
    if not calls:
        return []
    starts = [started for _, started, _ in calls]
    return copy_store.find_foreign_copies(
        connection, request.agency_id, since=min(starts), until=max(starts), limit=CALLS_PER_EVENT
    )


def _events(
    request: SubjectRequest, calls: Sequence[tuple[UUID, datetime, UUID]], now: datetime, objects: Sequence[str]
) -> list[NewEvent]:
    """What tells an agency's own copies: ids of the calls, never the number. A person without calls is told as well."""
    parts = [calls[start : start + CALLS_PER_EVENT] for start in range(0, len(calls), CALLS_PER_EVENT)] or [[]]
    return [
        NewEvent(
            type="person.erased",
            occurred_at=now,
            client_id=request.client_id,
            revision=number,
            data={
                "request_id": str(request.id),
                "call_ids": [str(call_id) for call_id, _, _ in part],
                "call_count": len(calls),
                "objects": list(objects) if number == 1 else [],
            },
        )
        for number, part in enumerate(parts, 1)
    ]


def _sha256(path: Path) -> bytes:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
