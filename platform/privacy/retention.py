"""Deletes what has been kept long enough, in bounded pieces, each with its receipt in the same transaction.

Nothing that somebody holds is touched. What is deleted first goes from the object store and then from the ledger, so
that a crash between the two is made good by the next run. Visits are a class with rules already; who keeps visits
registers what deletes them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any, Protocol
from uuid import UUID

import structlog
from sqlalchemy import Connection

from ..clock import Clock
from ..db.engine import Database
from ..errors import DialtraceError
from ..jobs.model import Done, Job, Outcome
from ..metrics import RETENTION_DELETED, RETENTION_FAILED
from ..subjects import Tally
from . import store
from .model import Effective, Rules, effective
from .receipts import name_digest
from .signing import Signer

log = structlog.get_logger("privacy")

#: Rows of one piece of work, and how many pieces a run does for one client and class: the next run goes on.
BATCH, MOST_BATCHES = 200, 500

Calls = Sequence[tuple[UUID, datetime]]


class CallerEraser(Protocol):
    """What anonymises records (cdr)."""

    def anonymise(self, connection: Connection, agency_id: UUID, calls: Calls, *, keep_key: bool) -> int: ...


class AudioEraser(Protocol):
    """What deletes recordings (recording)."""

    def erase_calls(self, agency_id: UUID, calls: Calls, *, reason: str, tally: Tally) -> int: ...


class CopyEraser(Protocol):
    """What deletes objects that hold copies of records (copies)."""

    def delete_expired(self, agency_id: UUID, tally: Tally) -> int: ...

    def delete_older(self, agency_id: UUID, before: datetime, tally: Tally) -> int: ...


#: Deletes visits of a client from before a moment: (agency, client, before, most) → how many.
VisitEraser = Callable[[Connection, UUID, UUID, datetime, int], int]


@dataclass(frozen=True)
class ReceiptTally:
    """Writes a receipt of what was done, in the transaction that did it."""

    write: Callable[[Connection, Mapping[str, int], Sequence[str]], None]

    def note(self, connection: Any, what: str, count: int, *, objects: Sequence[str] = ()) -> None:
        self.write(connection, {what: count}, [name_digest(name) for name in objects])


class RetentionRunner:
    """Carries out the rules of every agency."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        signer: Signer,
        *,
        callers: CallerEraser,
        recordings: AudioEraser,
        copies: CopyEraser,
        visits: VisitEraser | None = None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._signer = signer
        self._callers = callers
        self._recordings = recordings
        self._copies = copies
        self._visits = visits

    def delete_due(self, _job: Job) -> Outcome:
        """The job ``privacy.delete_due``."""
        self.run()
        return Done()

    def run(self, agency_ids: Sequence[UUID] | None = None) -> dict[str, int]:
        """Everything that is due now, of these agencies (None: all); returns what was deleted, by class. One agency's
        failure does not stop the others: it is logged, counted, and due again."""
        total: dict[str, int] = {}
        for agency_id in self._agencies() if agency_ids is None else agency_ids:
            try:
                found = self.run_agency(agency_id)
            except DialtraceError as error:
                RETENTION_FAILED.inc()
                log.error("what is due cannot be deleted", agency=str(agency_id), why=repr(error)[:300])
                continue
            for name, count in found.items():
                total[name] = total.get(name, 0) + count
        return total

    def run_agency(self, agency_id: UUID) -> dict[str, int]:
        """What is due of one agency. Raises the errors of the database and of the object store."""
        now = self._clock.now()
        with self._database.tenant(agency_id) as connection:
            agency = store.find_rules(connection, agency_id, agency_id)
            bounds = store.find_bounds(connection, agency_id)
            clients = store.client_ids(connection, agency_id)
            rules: Mapping[UUID, Rules] = {one: store.find_rules(connection, agency_id, one) for one in clients}
        deleted: dict[str, int] = {}
        holding = {one: effective(rules[one], agency, bounds) for one in clients}
        for client_id, holds in holding.items():
            for data_class, work in (
                ("recording", self._delete_recordings),
                ("caller", self._anonymise),
                ("visit", self._delete_visits),
                ("cdr", self._delete_records),
            ):
                before = holds.cutoff(data_class, now)  # type: ignore[arg-type]
                if before is not None:
                    count = work(agency_id, client_id, before, holds)
                    deleted[data_class] = deleted.get(data_class, 0) + count
                    RETENTION_DELETED.labels(data_class).inc(count)
        deleted["copies"] = self._delete_copies(agency_id, list(holding.values()), now)
        return deleted

    # --- One class of one client. ---

    def _delete_recordings(self, agency_id: UUID, client_id: UUID, before: datetime, _: Effective) -> int:
        deleted = 0
        for _piece in range(MOST_BATCHES):
            with self._database.tenant(agency_id, client_id) as connection:
                due = store.recordings_due(connection, agency_id, client_id, before, BATCH)
            if not due:
                break
            tally = ReceiptTally(partial(self._receipt, agency_id, client_id, "recording", before, due))
            self._recordings.erase_calls(agency_id, due, reason="expired", tally=tally)
            deleted += len(due)
        return deleted

    def _anonymise(self, agency_id: UUID, client_id: UUID, before: datetime, holds: Effective) -> int:
        deleted = 0
        for _piece in range(MOST_BATCHES):
            with self._database.tenant(agency_id) as connection:
                due = store.callers_due(connection, agency_id, client_id, before, BATCH)
                if not due:
                    break
                keep_key = holds.caller_becomes == "key"
                count = self._callers.anonymise(connection, agency_id, due, keep_key=keep_key)
                self._receipt(agency_id, client_id, "caller", before, due, connection, {"callers": count}, [])
            deleted += len(due)
        return deleted

    def _delete_records(self, agency_id: UUID, client_id: UUID, before: datetime, _: Effective) -> int:
        deleted = 0
        for _piece in range(MOST_BATCHES):
            with self._database.tenant(agency_id) as connection:
                rows = store.purge_calls(connection, agency_id, client_id, before, BATCH)
                if not rows:
                    break
                due = [(row["call_id"], row["started_at"]) for row in rows]
                self._receipt(agency_id, client_id, "cdr", before, due, connection, {"calls": len(due)}, [])
            deleted += len(due)
        return deleted

    def _delete_visits(self, agency_id: UUID, client_id: UUID, before: datetime, _: Effective) -> int:
        if self._visits is None:
            return 0
        deleted = 0
        for _piece in range(MOST_BATCHES):
            with self._database.tenant(agency_id) as connection:
                count = self._visits(connection, agency_id, client_id, before, BATCH)
                if not count:
                    break
                self._receipt(agency_id, client_id, "visit", before, [], connection, {"visits": count}, [])
            deleted += count
        return deleted

    def _delete_copies(self, agency_id: UUID, holding: Sequence[Effective], now: datetime) -> int:
        """Objects whose own time is over, and those of which every client's records would be deleted by now."""
        tally = ReceiptTally(partial(self._receipt, agency_id, None, "copies", now, []))
        count = self._copies.delete_expired(agency_id, tally)
        cutoffs = [holds.cutoff("cdr", now) for holds in holding]
        known = [one for one in cutoffs if one is not None]
        with self._database.tenant(agency_id) as connection:
            held = store.any_hold(connection, agency_id)
        if known and len(known) == len(cutoffs) and not held:
            count += self._copies.delete_older(agency_id, min(known), tally)
        return count

    def _receipt(
        self,
        agency_id: UUID,
        client_id: UUID | None,
        data_class: str,
        before: datetime,
        calls: Calls,
        connection: Connection,
        counts: Mapping[str, int],
        objects: Sequence[str],
    ) -> None:
        starts = [started for _, started in calls]
        self._signer.write(
            connection,
            agency_id=agency_id,
            client_id=client_id,
            kind="retention",
            made_at=self._clock.now(),
            facts={
                "rule": f"retention of {data_class}",
                "class": data_class,
                "before": before,
                "counts": dict(counts),
                "from": min(starts, default=None),
                "until": max(starts, default=None),
                "objects": list(objects),
            },
        )

    def _agencies(self) -> list[UUID]:
        with self._database.system() as connection:
            return store.agency_ids(connection)
