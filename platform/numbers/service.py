"""Use cases of the inventory: add a number, change what answers it, release it.

A number and its entry in the directory change in one transaction, so the call plane never sees one without the other.
Must not know HTTP, nor what a flow does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from ..clock import Clock
from ..db.engine import Database
from ..ids import new_id
from ..paging import Page, cut
from ..phone import parse_e164
from . import store
from .errors import NumberReleased, NumberUnknown, ValueRefused, VersionMismatch
from .model import (
    REST,
    SOURCE_FIELDS,
    UNCHANGED,
    InService,
    Inventory,
    LastProof,
    Number,
    Proof,
    Unchanged,
    check_kind,
    check_label,
    check_number,
    check_source,
    check_status,
)

MAX_PAGE = 500
NOTHING: Mapping[str, str | None] = {}


def _id(value: UUID | str) -> UUID:
    return value if isinstance(value, UUID) else UUID(value)


class NumberService:
    """The numbers in one database. ``client_id`` None stands for the whole agency wherever it may be left out.
    ``rest``: how long a released number stays here before its carrier gets it back."""

    def __init__(self, database: Database, clock: Clock, *, rest: timedelta = REST) -> None:
        self._database = database
        self._clock = clock
        self._rest = rest

    def add_number(
        self,
        agency_id: UUID | str,
        client_id: UUID | str,
        number: str,
        *,
        kind: str = "static",
        flow_id: UUID | str | None = None,
        label: str = "",
        region: str | None = None,
        source: Mapping[str, str | None] | None = None,
        inventory: Inventory | None = None,
        carrier_id: UUID | None = None,
    ) -> Number:
        """``number`` in any form that `phone.parse_e164` reads (``region``: how to read one without country code);
        ``source``: what a static one stands for (`model.SOURCE_FIELDS`); ``carrier_id``: where it comes from, or
        where it was to go back to, if it was on its way there. Raises ValueRefused, NumberTaken, NumberLeaving,
        HolderUnknown, FlowUnknown."""
        values = {
            "agency_id": _id(agency_id),
            "id": new_id(),
            "client_id": _id(client_id),
            "e164": check_number(number, region),
            "kind": check_kind(kind),
            "flow_id": _id(flow_id) if flow_id is not None else None,
            "label": check_label(label),
            **check_source(kind, source or {}),
            **self._standing(kind, inventory or Inventory()),
        }
        with store.naming_refusals(), self._database.tenant(agency_id, client_id) as connection:
            before = store.keep_number(connection, values["e164"])
            added = store.insert_number(connection, {**values, "carrier_id": carrier_id or before})
            store.put_in_directory(connection, added)
        return added

    def _standing(self, kind: str, inventory: Inventory) -> dict[str, Any]:
        """Where a new number stands. Raises ValueRefused."""
        region = check_label(inventory.region or "") or None
        now = self._clock.now()
        state = "static" if kind == "static" else "soaking" if inventory.soak_days else "free"
        if inventory.soak_days and state != "soaking":
            raise ValueRefused("soak_days", "is for dynamic numbers: a static one is shown from the start")
        free_from = now + timedelta(days=inventory.soak_days) if state == "soaking" else None
        return {"state": state, "state_at": now, "free_from": free_from, "region": region}

    def get_number(
        self, agency_id: UUID | str, number_id: UUID | str, *, client_id: UUID | str | None = None
    ) -> Number:
        """Raises NumberUnknown, also for a number of somebody else."""
        with self._database.tenant(agency_id, client_id) as connection:
            found = store.find_number(connection, _id(agency_id), _id(number_id))
        if found is None:
            raise NumberUnknown(f"there is no number {number_id}")
        return found

    def list_numbers(
        self,
        agency_id: UUID | str,
        client_id: UUID | str | None = None,
        *,
        status: str | None = None,
        e164: str | None = None,
        state: str | None = None,
        pool_id: UUID | None = None,
        limit: int = 50,
        after: tuple[Any, ...] | None = None,
    ) -> Page[Number]:
        """The oldest first. ``e164`` finds one number, its released holdings included unless ``status`` says more."""
        wanted: dict[str, Any] = {"client_id": _id(client_id)} if client_id is not None else {}
        if status is not None:
            wanted["status"] = status
        wanted |= {name: value for name, value in (("state", state), ("pool_id", pool_id)) if value is not None}
        if e164 is not None:
            wanted["e164"] = parse_e164(e164) or e164
        limit = max(1, min(limit, MAX_PAGE))
        with self._database.tenant(agency_id, client_id) as connection:
            found = store.find_numbers(
                connection, _id(agency_id), wanted, limit=limit + 1, after=after[0] if after else None
            )
        return cut(found, limit, "id")

    def update_number(
        self,
        agency_id: UUID | str,
        number_id: UUID | str,
        *,
        client_id: UUID | str | None = None,
        version: int | None = None,
        flow_id: UUID | str | Unchanged | None = UNCHANGED,
        label: str | Unchanged = UNCHANGED,
        status: str | Unchanged = UNCHANGED,
        source: Mapping[str, str | None] | None = None,
    ) -> Number:
        """Change what is given; ``version``: only if the number still has it; ``source``: each of its fields that is
        named. What changes nothing makes no new version. Raises NumberUnknown, NumberReleased, VersionMismatch,
        FlowUnknown, ValueRefused."""
        changes: dict[str, Any] = {}
        if not isinstance(flow_id, Unchanged):
            changes["flow_id"] = _id(flow_id) if flow_id is not None else None
        if not isinstance(label, Unchanged):
            changes["label"] = check_label(label)
        if not isinstance(status, Unchanged):
            changes["status"] = check_status(status)
        return self._change(agency_id, number_id, client_id, version, changes, source or {})

    def assign_number(
        self,
        agency_id: UUID | str,
        number_id: UUID | str,
        to_client_id: UUID | str,
        *,
        flow_id: UUID | str | None = None,
        version: int | None = None,
    ) -> Number:
        """The number becomes another client's of the agency, under a new id: what it was to the one before stays with
        that one's history. Raises NumberUnknown, NumberReleased, VersionMismatch, HolderUnknown, FlowUnknown."""
        with self._database.whole():
            before = self.get_number(agency_id, number_id)
            if before.status == "released":
                raise NumberReleased
            # It stays on the platform: its carrier is not told.
            self._release(agency_id, number_id, None, version)
            return self.add_number(
                agency_id,
                to_client_id,
                before.e164,
                kind=before.kind,
                flow_id=flow_id,
                label=before.label,
                inventory=Inventory(region=before.region),
                carrier_id=before.carrier_id,
            )

    def release_number(
        self,
        agency_id: UUID | str,
        number_id: UUID | str,
        *,
        client_id: UUID | str | None = None,
        version: int | None = None,
    ) -> Number:
        """Give it back: its callers are refused as `released` until somebody adds it again. The carrier that it came
        from gets it after a rest (carriers.returning), unless somebody does. Doing it twice changes nothing. Raises
        NumberUnknown, VersionMismatch."""
        try:
            with self._database.whole():
                released = self._release(agency_id, number_id, client_id, version)
                if released.carrier_id is not None:
                    with self._database.tenant(agency_id, client_id) as connection:
                        store.insert_return(connection, released, due_at=self._clock.now() + self._rest)
                return released
        except NumberReleased:
            return self.get_number(agency_id, number_id, client_id=client_id)

    def _release(
        self, agency_id: UUID | str, number_id: UUID | str, client_id: UUID | str | None, version: int | None
    ) -> Number:
        now = self._clock.now()
        changes = {"status": "released", "released_at": now, "state": "released", "state_at": now, "pool_id": None}
        return self._change(agency_id, number_id, client_id, version, changes)

    def _change(
        self,
        agency_id: UUID | str,
        number_id: UUID | str,
        client_id: UUID | str | None,
        version: int | None,
        changes: dict[str, Any],
        source: Mapping[str, str | None] = NOTHING,
    ) -> Number:
        with store.naming_refusals(), self._database.tenant(agency_id, client_id) as connection:
            found = store.find_number(connection, _id(agency_id), _id(number_id), lock=True)
            if found is None:
                raise NumberUnknown(f"there is no number {number_id}")
            if found.status == "released":
                raise NumberReleased
            if version is not None and version != found.version:
                raise VersionMismatch(found.version)
            if source:
                before = {name: getattr(found, name) for name in SOURCE_FIELDS}
                changes = {**changes, **check_source(found.kind, {**before, **source})}
            if all(getattr(found, name) == value for name, value in changes.items()):
                return found
            changed = store.update_number(connection, found.agency_id, found.id, changes, self._clock.now())
            if changed.status != "active":
                store.leave_pool(connection, found.agency_id, found.id)
            store.put_in_directory(connection, changed)
        return replace(changed, last_proven_at=found.last_proven_at, last_proof=found.last_proof)

    # --- Proofs: what calls of our own have shown. ---

    def list_in_service(self, e164: str | None = None) -> list[InService]:
        """Every number whose calls are answered at this moment, of all tenants; or that one, if it is such a number."""
        with self._database.directory() as connection:
            return store.numbers_in_service(connection, e164)

    def save_proof(self, number: InService, proof: Proof) -> None:
        """Keeps the last attempt at a number."""
        with self._database.tenant(number.agency_id) as connection:
            store.save_proof(connection, number, proof)

    def last_proofs(self) -> Mapping[UUID, LastProof]:
        """When each number was tried and proven last, by its id."""
        with self._database.system() as connection:
            return store.last_proofs(connection)

    def node_states(self) -> Mapping[str, str]:
        """In which state each node stands, by its name: a proof is not for one that drains."""
        with self._database.system() as connection:
            return store.node_states(connection)
