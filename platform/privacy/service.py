"""Use cases of what is kept of people: rules, holds, requests of persons, receipts, consent. What does the work that
these ask for: requests.py and retention.py.
"""

from __future__ import annotations

from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import Connection

from ..clock import Clock
from ..db.engine import Database
from ..ids import new_id
from ..jobs.model import Request
from ..objectstore.errors import ObjectMissing
from ..objectstore.service import ObjectStream
from ..paging import Page, cut
from ..phone import parse_e164
from ..subjects import hint_of
from . import copy_store, request_store, store
from .errors import FileUnavailable, HoldUnknown, OwnerUnknown, ReceiptUnknown, RequestUnknown, ValueRefused
from .model import (
    LONGEST_REASON,
    Bounds,
    Consent,
    Hold,
    HoldKind,
    Receipt,
    RequestKind,
    Retention,
    Rules,
    SubjectRequest,
    check_bounds,
    check_rules,
    effective,
)

MAX_PAGE = 500
#: The job that goes on with every request that can (services.build_jobs).
CARRY_OUT = "privacy.carry_out"


class Objects(Protocol):
    """Where files are kept (objectstore)."""

    def open(self, name: str) -> ObjectStream: ...


class Jobs(Protocol):
    """Where work is put that can wait (jobs)."""

    def defer(self, connection: Connection, request: Request) -> int | None: ...


class PrivacyService:
    """What is kept of people, in one database."""

    def __init__(self, database: Database, clock: Clock, objects: Objects, *, jobs: Jobs | None = None) -> None:
        self._database = database
        self._clock = clock
        self._objects = objects
        self._jobs = jobs

    # --- Retention. ---

    def get_retention(self, agency_id: UUID, client_id: UUID | None = None) -> Retention:
        """What an agency (or a client) has said, and what holds. Raises OwnerUnknown."""
        with self._database.tenant(agency_id) as connection:
            return _retention(connection, agency_id, client_id)

    def set_retention(
        self, agency_id: UUID, client_id: UUID | None, rules: Rules, *, bounds: Bounds | None = None
    ) -> Retention:
        """Holds from the next run on. ``bounds``: the operator's, of the whole agency; None leaves them as they are.
        Raises OwnerUnknown, ValueRefused."""
        with self._database.tenant(agency_id) as connection:
            _need_client(connection, agency_id, client_id)
            if bounds is not None:
                check_bounds(bounds)
                store.put_bounds(connection, agency_id, bounds)
            check_rules(rules, store.find_bounds(connection, agency_id))
            store.put_rules(connection, agency_id, client_id, rules)
            return _retention(connection, agency_id, client_id)

    # --- Holds. ---

    def place_hold(
        self,
        agency_id: UUID,
        client_id: UUID | None,
        kind: HoldKind,
        *,
        reason: str,
        by: str,
        call_id: UUID | None = None,
        phone: str | None = None,
    ) -> Hold:
        """From now on nothing of it is deleted. ``client_id`` None: whatever client of the agency it is with; a hold on
        a client names one. Raises OwnerUnknown, ValueRefused."""
        if not reason.strip() or len(reason) > LONGEST_REASON:
            raise ValueRefused("reason", f"must say why, in 1 to {LONGEST_REASON} characters")
        number = _number(phone) if kind == "caller" else None
        if kind == "call" and call_id is None:
            raise ValueRefused("call_id", "a hold on a call names the call")
        if kind == "client" and client_id is None:
            raise ValueRefused("client_id", "a hold on a client names the client")
        with self._database.tenant(agency_id) as connection:
            _need_client(connection, agency_id, client_id)
            row = {
                "agency_id": agency_id,
                "id": new_id(),
                "client_id": client_id,
                "kind": kind,
                "call_id": call_id if kind == "call" else None,
                "person_key": store.person_key(connection, agency_id, number) if number else None,
                "hint": hint_of(number) if number else "",
                "reason": reason.strip(),
                "placed_by": by,
                "placed_at": self._clock.now(),
            }
            return store.insert_hold(connection, row)

    def lift_hold(self, agency_id: UUID, client_id: UUID | None, hold_id: UUID, *, by: str) -> Hold:
        """What waited for it goes on. Lifting twice changes nothing. Raises HoldUnknown."""
        with self._database.tenant(agency_id, client_id) as connection:
            lifted = store.lift_hold(connection, agency_id, hold_id, by=by, now=self._clock.now())
            found = lifted or store.find_hold(connection, agency_id, hold_id)
        if found is None:
            raise HoldUnknown(f"there is no legal hold {hold_id}")
        return found

    def get_hold(self, agency_id: UUID, client_id: UUID | None, hold_id: UUID) -> Hold:
        """Raises HoldUnknown."""
        with self._database.tenant(agency_id, client_id) as connection:
            found = store.find_hold(connection, agency_id, hold_id)
        if found is None:
            raise HoldUnknown(f"there is no legal hold {hold_id}")
        return found

    def list_holds(
        self, agency_id: UUID, client_id: UUID | None, *, limit: int = 50, after: tuple[Any, ...] | None = None
    ) -> Page[Hold]:
        """Oldest first, lifted ones too."""
        with self._database.tenant(agency_id, client_id) as connection:
            return _page(store.find_holds, connection, agency_id, client_id, limit, after)

    # --- Requests of persons. ---

    def ask(
        self, agency_id: UUID, client_id: UUID | None, kind: RequestKind, phone: str, *, by: str
    ) -> tuple[SubjectRequest, bool]:
        """Takes a person's request; the same one that is not done yet is the answer to a second asking (False).
        ``client_id`` None: with all clients of the agency. Raises OwnerUnknown, ValueRefused."""
        number = _number(phone)
        with self._database.tenant(agency_id) as connection:
            _need_client(connection, agency_id, client_id)
            key = store.person_key(connection, agency_id, number)
            row = {
                "agency_id": agency_id,
                "id": new_id(),
                "client_id": client_id,
                "scope_id": client_id or agency_id,
                "kind": kind,
                "phone": number,
                "person_key": key,
                "hint": hint_of(number),
                "requested_by": by,
                "requested_at": self._clock.now(),
            }
            made = request_store.insert_request(connection, row)
            if made is not None:
                if self._jobs is not None:
                    self._jobs.defer(connection, Request(name=CARRY_OUT, once=CARRY_OUT))
                return made, True
            found = request_store.find_open_request(connection, agency_id, client_id or agency_id, key, kind)
        # Done in this very moment: ask anew.
        return (found, False) if found else self.ask(agency_id, client_id, kind, phone, by=by)

    def get_request(self, agency_id: UUID, client_id: UUID | None, request_id: UUID) -> SubjectRequest:
        """Raises RequestUnknown."""
        with self._database.tenant(agency_id, client_id) as connection:
            found = request_store.find_request(connection, agency_id, request_id)
        if found is None:
            raise RequestUnknown(f"there is no request {request_id}")
        return found

    def list_requests(
        self, agency_id: UUID, client_id: UUID | None, *, limit: int = 50, after: tuple[Any, ...] | None = None
    ) -> Page[SubjectRequest]:
        """Oldest first."""
        with self._database.tenant(agency_id, client_id) as connection:
            return _page(request_store.find_requests, connection, agency_id, client_id, limit, after)

    def open_file(self, agency_id: UUID, client_id: UUID | None, request_id: UUID) -> ObjectStream:
        """What was exported for a person. Raises RequestUnknown, FileUnavailable, and what `objectstore.errors` has."""
        request = self.get_request(agency_id, client_id, request_id)
        with self._database.tenant(agency_id, client_id) as connection:
            copy = copy_store.find_copy(connection, agency_id, request.object_id) if request.object_id else None
        if copy is None or copy["state"] != "stored" or copy["expires_at"] < self._clock.now():
            raise FileUnavailable
        try:
            return self._objects.open(copy["object_name"])
        except ObjectMissing as error:
            raise FileUnavailable from error

    # --- Receipts and consent. ---

    def get_receipt(self, agency_id: UUID, client_id: UUID | None, receipt_id: UUID) -> Receipt:
        """Raises ReceiptUnknown."""
        with self._database.tenant(agency_id, client_id) as connection:
            found = store.find_receipt(connection, agency_id, receipt_id)
        if found is None:
            raise ReceiptUnknown(f"there is no receipt {receipt_id}")
        return found

    def list_receipts(
        self, agency_id: UUID, client_id: UUID | None, *, limit: int = 50, after: tuple[Any, ...] | None = None
    ) -> Page[Receipt]:
        """Oldest first."""
        with self._database.tenant(agency_id, client_id) as connection:
            return _page(store.find_receipts, connection, agency_id, client_id, limit, after)

    def public_keys(self) -> list[tuple[str, bytes]]:
        """Every key that ever signed a receipt: id and the 32 bytes, the newest first."""
        with self._database.directory() as connection:
            return [(row["key_id"], bytes(row["public_key"])) for row in store.receipt_keys(connection)]

    def get_consent(self, agency_id: UUID, client_id: UUID | None, call_id: UUID) -> Consent | None:
        """The proof of one call; None: there is no such call, or nothing was noted."""
        with self._database.tenant(agency_id, client_id) as connection:
            return store.find_consent(connection, agency_id, call_id)


def _number(phone: str | None) -> str:
    number = parse_e164(phone)
    if number is None:
        raise ValueRefused("phone", "must be a telephone number with its country, such as +442079460123")
    return number


def _need_client(connection: Connection, agency_id: UUID, client_id: UUID | None) -> None:
    if client_id is not None and not store.client_exists(connection, agency_id, client_id):
        raise OwnerUnknown(f"there is no client {client_id}")


def _retention(connection: Connection, agency_id: UUID, client_id: UUID | None) -> Retention:
    _need_client(connection, agency_id, client_id)
    agency = store.find_rules(connection, agency_id, agency_id)
    own = store.find_rules(connection, agency_id, client_id) if client_id is not None else agency
    bounds = store.find_bounds(connection, agency_id)
    return Retention(rules=own, bounds=bounds, effective=effective(own, agency, bounds))


def _page(
    find: Any, connection: Connection, agency_id: UUID, client_id: UUID | None, limit: int, after: Any
) -> Page[Any]:
    limit = max(1, min(limit, MAX_PAGE))
    found = find(connection, agency_id, client_id, limit=limit + 1, after=after[0] if after else None)
    return cut(found, limit, "id")
