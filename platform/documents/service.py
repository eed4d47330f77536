"""Use cases of a client's document: read it, say what applying one would come to, apply it, copy a client.

Applying is one transaction. The rooms' services open transactions of their own; here they get a database whose
transaction is the one that stands already (`Within`). A dry run does everything and rolls it back, so that what it says
can be done has been done.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import Connection

from ..db.engine import Database, take_turn, tenant_settings
from .errors import DocumentFaulty
from .kinds import KEYED, create_empty_flow
from .model import (
    FORMAT,
    KINDS,
    Document,
    Step,
    changed_members,
    check_shape,
    escaped,
    order_of,
    plain,
    plan,
    refer,
    references_in,
    resolve,
)
from .singles import ALONE
from .work import Found, Rooms, Work

R = TypeVar("R")


@dataclass(frozen=True)
class Applied:
    """What was done, or would be; and the document that holds then."""

    steps: list[Step]
    document: Document


class _UndoneError(Exception):
    """Ends a dry run's transaction."""


class Within(Database):
    """A database whose one transaction stands already: whoever opens one works in it, and commits nothing."""

    def __init__(self, connection: Connection, agency_id: UUID) -> None:
        self._standing = connection
        self._agency_id = agency_id
        self._client_id: UUID | str | None = None

    @contextmanager
    def tenant(self, agency_id: UUID | str, client_id: UUID | str | None = None) -> Iterator[Connection]:
        """Within it row-level security holds for the client that was named, as everywhere. After an error nothing is
        set back: the whole transaction goes."""
        assert UUID(str(agency_id)) == self._agency_id, "a document is of one agency"
        before = self._client_id
        self._turn_to(client_id)
        yield self._standing
        self._turn_to(before)

    @contextmanager
    def whole(self, *, turn: str | None = None) -> Iterator[None]:
        """It is whole already; a ``turn`` is held until its end, as everywhere."""
        if turn is not None:
            take_turn(self._standing, turn)
        yield

    def _turn_to(self, client_id: UUID | str | None) -> None:
        if client_id != self._client_id:
            self._standing.exec_driver_sql(tenant_settings(self._agency_id, client_id))
            self._client_id = client_id


class TenantDocuments:
    """Documents of the clients in one database."""

    def __init__(self, database: Database, rooms: Rooms) -> None:
        self._database = database
        self._rooms = rooms

    def export(self, agency_id: UUID, client_id: UUID) -> Document:
        """Everything that somebody has set for a client. Raises ClientUnknown."""
        with self._database.tenant(agency_id) as connection:
            return _read(self._work(connection, agency_id, client_id))[0]

    def apply(
        self,
        agency_id: UUID,
        client_id: UUID,
        document: Any,
        *,
        dry_run: bool = False,
        remove: bool = False,
    ) -> Applied:
        """Makes the client what the document says, whole or not at all. What it does not name stays, unless ``remove``.
        Raises DocumentFaulty, ClientUnknown, and what the rooms refuse."""
        check_shape(document)
        _check_members(document)
        applied: Applied | None = None
        try:
            with self._database.tenant(agency_id) as connection:
                # Whoever applies another document to the client waits here, and then sees what this one has made.
                connection.exec_driver_sql(
                    "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"dialtrace.document.{client_id}",)
                )
                applied = self._carried_out(connection, agency_id, client_id, document, remove)
                if dry_run:
                    raise _UndoneError
        except _UndoneError:
            pass
        assert applied is not None, "carried out, or an error has left"
        return applied

    def copy_client(self, agency_id: UUID, client_id: UUID, name: str, *, to_agency: UUID | None = None) -> UUID:
        """A client like another one but for its numbers, which can be at one only; its id. Raises ClientUnknown,
        ValueRefused."""
        document = dict(self.export(agency_id, client_id))
        document["client"] = {**document["client"], "name": name}
        document |= {"numbers": {}, "pool_numbers": {}, "pool_reserves": {}}
        document["site_rules"] = {
            key: {name_: _without_numbers(rules) for name_, rules in both.items()}
            for key, both in document["site_rules"].items()
        }
        target = to_agency or agency_id
        with self._database.tenant(target) as connection:
            rooms = bound(self._rooms, connection, target)
            made = rooms.tenancy.create_client(target, name, document["client"]["time_zone"]).id
            self._carried_out(connection, target, made, document, False)
        return made

    def _work(self, connection: Connection, agency_id: UUID, client_id: UUID) -> Work:
        work = Work(bound(self._rooms, connection, agency_id), agency_id, client_id)
        work.rooms.tenancy.get_client(agency_id, client_id)
        return work

    def _carried_out(
        self, connection: Connection, agency_id: UUID, client_id: UUID, document: Document, remove: bool
    ) -> Applied:
        work = self._work(connection, agency_id, client_id)
        now, found = _read(work)
        steps = plan(now, document, remove=remove, removable=[name for name, kind in KEYED.items() if kind.remove])
        _carry_out(work, document, found, steps, remove)
        return Applied(steps, _read(work)[0])


def bound(rooms: Rooms, connection: Connection, agency_id: UUID) -> Rooms:
    """The same services, working within one transaction. Each keeps its connections under one name."""
    within = Within(connection, agency_id)

    def twin(room: R) -> R:
        made = copy.copy(room)
        assert "_database" in vars(made), f"{type(room).__name__} keeps its connections under another name"
        vars(made)["_database"] = within
        return made

    return replace(rooms, **{one.name: twin(getattr(rooms, one.name)) for one in fields(rooms)})


def _read(work: Work) -> tuple[Document, Mapping[str, Mapping[str, Found]]]:
    """The document, and the things with keys as they were found."""
    found = {name: KEYED[name].read(work) for name in KINDS}
    names = {str(one.id): f"@{kind}/{key}" for kind, things in found.items() for key, one in things.items()}
    document: dict[str, Any] = {"format": FORMAT}
    for kind, things in found.items():
        document[kind] = {key: refer(one.body, names) for key, one in things.items()}
    for name, single in ALONE.items():
        document[name] = refer(single.read(work), names)
    return document, found


def _check_members(document: Document) -> None:
    """A thing says all that there is to say of it: what is left out would be a guess. Raises DocumentFaulty."""
    for kind in KINDS:
        for key, body in document[kind].items():
            if wrong := sorted(KEYED[kind].members ^ set(body)):
                told = "is missing" if wrong[0] in KEYED[kind].members else "is no member of it"
                raise DocumentFaulty(f"/{kind}/{escaped(key)}", f"{wrong[0][:100]} {told}")


def _ids(found: Mapping[str, Mapping[str, Found]]) -> dict[str, str]:
    return {f"@{kind}/{key}": str(one.id) for kind, things in found.items() for key, one in things.items()}


def _carry_out(
    work: Work, document: Document, found: Mapping[str, Mapping[str, Found]], steps: list[Step], remove: bool
) -> None:
    ids = _ids(found)
    by_kind = {kind: [step for step in steps if step.kind == kind] for kind in KINDS}
    for kind in KINDS:
        _create(work, kind, document[kind], [step.key for step in by_kind[kind] if step.action == "create"], ids)
    for kind in KINDS:
        for step in by_kind[kind]:
            if step.action == "change":
                body = resolve(document[kind][step.key], ids, f"/{kind}/{escaped(step.key)}")
                with _at(f"/{kind}/{escaped(step.key)}"):
                    KEYED[kind].change(work, found[kind][step.key], body)
    now = {name: plain(single.read(work)) for name, single in ALONE.items()}
    for name, single in ALONE.items():
        wanted = resolve(document[name], ids, f"/{name}")
        if changed_members(now[name], wanted):
            with _at(f"/{name}"):
                single.put(work, wanted, now[name], remove)
    for kind in reversed(KINDS):
        taken = KEYED[kind].remove
        for step in by_kind[kind]:
            if step.action == "remove" and taken is not None:
                taken(work, found[kind][step.key])


def _create(work: Work, kind: str, things: Mapping[str, Any], keys: list[str], ids: dict[str, str]) -> None:
    """Makes things in the order of their keys, but after those of their kind that they name; flows that name each other
    in a circle are made empty first."""
    waiting = sorted(keys, key=order_of)
    later: list[str] = []
    while waiting:
        fresh = {f"@{kind}/{key}" for key in waiting}
        ready = [key for key in waiting if not fresh & set(references_in(things[key])) - {f"@{kind}/{key}"}]
        key = ready[0] if ready else waiting[0]
        pointer = f"/{kind}/{escaped(key)}"
        with _at(pointer):
            if ready and f"@{kind}/{key}" not in references_in(things[key]):
                made = KEYED[kind].create(work, key, resolve(things[key], ids, pointer))
            else:
                made = create_empty_flow(work, things[key]["name"])
                later.append(key)
        ids[f"@{kind}/{key}"] = str(made)
        waiting.remove(key)
    for key in later:
        pointer = f"/{kind}/{escaped(key)}"
        with _at(pointer):
            KEYED[kind].change(work, Found(UUID(ids[f"@{kind}/{key}"]), {}), resolve(things[key], ids, pointer))


@contextmanager
def _at(pointer: str) -> Iterator[None]:
    """A thing that lacks a member, or has one too many, is a fault of the document."""
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DocumentFaulty(pointer, f"is not as it must be: {str(error)[:200]}") from error


def _without_numbers(rules: Any) -> Any:
    """A site's rules without those that show a number of the client that it was copied from."""
    if isinstance(rules, Mapping):
        return {name: _without_numbers(one) for name, one in rules.items()}
    if isinstance(rules, list):
        kept = [one for one in rules if not any(word.startswith("@numbers/") for word in references_in(one))]
        return [_without_numbers(one) for one in kept]
    return rules
