"""Gives released numbers back to the carriers that they came from.

Not when a number is released, but after a rest: whoever saw or saved it calls for days, whoever released it by mistake
wants it again, and what a carrier was given back may ring at a stranger's. The room of numbers writes the row in the
transaction that releases a number, so none is forgotten; a schedule looks for what is due, a job asks the carrier. A
number that comes into service meanwhile is kept, and remembers its carrier (`dialtrace_number_keep`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from sqlalchemy import Connection

from ..audit.service import Actor, NewEntry, record
from ..clock import Clock
from ..db.engine import Database
from ..jobs.model import Done, Job, Outcome
from ..jobs.model import Request as JobRequest
from ..jobs.service import JobQueue
from ..metrics import NUMBER_RETURNS
from ..paging import Page, cut
from . import store
from .errors import CarrierAway, CarrierRefuses, CarrierUnknown, ReturnOver, ReturnUnknown
from .model import RETURNING, STILL_USED, NumberReturn, pause_after
from .service import MAX_PAGE, CarrierService

GIVE_BACK = "carriers.give_back"
GIVE_BACK_ALL = "carriers.give_back_all"
_MOST_AT_ONCE = 500


class NumberReturns:
    """Numbers on their way back, in one database."""

    def __init__(self, database: Database, clock: Clock, *, carriers: CarrierService, jobs: JobQueue) -> None:
        self._database = database
        self._clock = clock
        self._carriers = carriers
        self._jobs = jobs

    def get_return(self, agency_id: UUID, client_id: UUID | None, number_id: UUID) -> NumberReturn:
        """Raises ReturnUnknown."""
        with self._database.tenant(agency_id, client_id) as connection:
            return _found(store.find_return(connection, agency_id, number_id))

    def list_returns(
        self,
        agency_id: UUID,
        client_id: UUID | None,
        wanted: Mapping[str, Any],
        *,
        limit: int = 50,
        after: tuple[Any, ...] | None = None,
    ) -> Page[NumberReturn]:
        """In the order in which the numbers were added. ``wanted``: state, e164."""
        own = {"client_id": client_id} if client_id is not None else {}
        limit = max(1, min(limit, MAX_PAGE))
        with self._database.tenant(agency_id, client_id) as connection:
            found = store.find_returns(
                connection, agency_id, {**own, **wanted}, limit=limit + 1, after=after[0] if after else None
            )
        return cut(found, limit, "number_id")

    def hasten(self, agency_id: UUID, client_id: UUID | None, number_id: UUID) -> NumberReturn:
        """It rests no longer, and one that the carrier refused is tried again. Raises ReturnUnknown, ReturnOver."""
        now = self._clock.now()
        with self._database.tenant(agency_id, client_id) as connection:
            found = _found(store.find_return(connection, agency_id, number_id, lock=True))
            if found.state in {"given_back", "kept"}:
                raise ReturnOver(found.state)
            state = "leaving" if found.state == "leaving" else "resting"
            changes = {"state": state, "due_at": min(found.due_at, now), "reason": None, "tries": 0}
            changed = store.change_return(connection, agency_id, number_id, changes, now)
            self._jobs.defer(connection, _giving_back(agency_id, number_id))
        return changed

    # --- Jobs. ---

    def give_back_all(self, _job: Job) -> Outcome:
        """Puts a job into the queue for each number that is due."""
        with self._database.system() as connection:
            due = store.due_returns(connection, now=self._clock.now(), limit=_MOST_AT_ONCE)
        for agency_id, number_id in due:
            self._jobs.defer_alone(_giving_back(agency_id, number_id))
        return Done()

    def give_back(self, job: Job) -> Outcome:
        """Asks the carrier, outside of any transaction, and keeps what it says. One that does not answer is asked again
        after a pause that grows, for as long as it takes: the row stands, and the schedule finds it."""
        leaving = self._leaving(UUID(str(job.args["agency_id"])), UUID(str(job.args["number_id"])))
        if leaving is None:
            return Done()
        try:
            adapter = self._carriers.adapter_of(self._carriers.get_carrier(leaving.carrier_id))
            had_it = adapter.release(leaving.e164)
        except CarrierAway as error:
            self._put_off(leaving, str(error))
        except CarrierRefuses as error:
            self._settle(leaving, "refused", str(error))
        except CarrierUnknown:
            self._settle(leaving, "refused", "the carrier was deleted: give the number back to it by hand")
        else:
            self._settle(leaving, "given_back", None if had_it else "the carrier had it no longer")
        return Done()

    def _leaving(self, agency_id: UUID, number_id: UUID) -> NumberReturn | None:
        """From here on nobody may add the number; None: it is not due, or not to go."""
        now = self._clock.now()
        with self._database.tenant(agency_id) as connection:
            found = store.find_return(connection, agency_id, number_id, lock=True)
            if found is None or found.state not in RETURNING or found.due_at > now:
                return None
            if found.state == "leaving":
                return found
            stays = self._reason_to_stay(connection, found)
            if stays is not None:
                outcome, changes = stays
                store.change_return(connection, agency_id, number_id, changes, now)
                NUMBER_RETURNS.labels(outcome).inc()
                return None
            return store.change_return(connection, agency_id, number_id, {"state": "leaving"}, now)

    def _reason_to_stay(self, connection: Connection, found: NumberReturn) -> tuple[str, Mapping[str, Any]] | None:
        """Nothing is taken away from under calls: what is in service though this row was not told, and what somebody
        still uses."""
        if store.taken(connection, [found.e164]):
            return "kept", {"state": "kept", "reason": None}
        now = self._clock.now()
        if store.is_used(connection, found.agency_id, found.number_id, now):
            reason = "a visitor still sees it, or a call to it stands"
            return "put_off", {"due_at": now + STILL_USED, "reason": reason}
        return None

    def _put_off(self, leaving: NumberReturn, reason: str) -> None:
        now, tries = self._clock.now(), leaving.tries + 1
        changes = {"reason": reason, "tries": tries, "due_at": now + pause_after(tries)}
        with self._database.tenant(leaving.agency_id) as connection:
            store.find_return(connection, leaving.agency_id, leaving.number_id, lock=True)
            store.change_return(connection, leaving.agency_id, leaving.number_id, changes, now)
        NUMBER_RETURNS.labels("put_off").inc()

    def _settle(self, leaving: NumberReturn, state: str, reason: str | None) -> None:
        now = self._clock.now()
        changes = {"state": state, "reason": reason, "given_back_at": now if state == "given_back" else None}
        with self._database.tenant(leaving.agency_id) as connection:
            store.find_return(connection, leaving.agency_id, leaving.number_id, lock=True)
            store.change_return(connection, leaving.agency_id, leaving.number_id, changes, now)
            record(
                connection,
                leaving.agency_id,
                NewEntry(
                    actor=Actor(kind="platform", name="carriers"),
                    action=f"number_return.{state}",
                    object_kind="number_return",
                    object_id=leaving.number_id,
                    client_id=leaving.client_id,
                    details={"carrier_id": str(leaving.carrier_id), **({"reason": reason} if reason else {})},
                ),
            )
        NUMBER_RETURNS.labels(state).inc()


def _giving_back(agency_id: UUID, number_id: UUID) -> JobRequest:
    """The job for one number; one at a time, and never two that wait."""
    args = {"agency_id": str(agency_id), "number_id": str(number_id)}
    return JobRequest(name=GIVE_BACK, args=args, lock=f"return-{number_id}", once=f"return-{number_id}")


def _found(found: NumberReturn | None) -> NumberReturn:
    if found is None:
        raise ReturnUnknown
    return found
