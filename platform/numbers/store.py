"""SQL of numbers and of their entries in the directory. Every function takes a connection whose tenant is set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy.exc
from sqlalchemy import Connection, Row, Select, delete, func, insert, select, text, update
from sqlalchemy.dialects import postgresql

from ..db.tables import nodes, number_proofs, number_returns, numbers, pool_numbers
from .errors import FlowUnknown, HolderUnknown, NumberLeaving, NumberTaken
from .model import InService, LastProof, Number, Proof, ProofStep

_BY_CONSTRAINT = {
    "pk_directory": NumberTaken,
    "ck_number_returns_leaving": NumberLeaving,
    "fk_numbers_agency_id_client_id": HolderUnknown,
    "fk_numbers_agency_id_client_id_flow_id": FlowUnknown,
}


@contextmanager
def naming_refusals() -> Iterator[None]:
    """Turns a violated constraint into the error that it means; every other error passes."""
    try:
        yield
    except sqlalchemy.exc.IntegrityError as error:
        diagnosis = getattr(error.orig, "diag", None)
        ours = _BY_CONSTRAINT.get(getattr(diagnosis, "constraint_name", None) or "")
        if ours is None:
            raise
        raise ours from error


#: A number with its last proof: one read tells both.
_WITH_PROOF = (
    *numbers.c,
    number_proofs.c.outcome,
    number_proofs.c.tried_at,
    number_proofs.c.proven_at,
    number_proofs.c.call_id,
    number_proofs.c.node,
    number_proofs.c.total_ms,
    number_proofs.c.steps,
)


def _number(row: Row[Any]) -> Number:
    return Number(**row._mapping)


def _proven_number(row: Row[Any]) -> Number:
    own = {column.name: row._mapping[column] for column in numbers.c}
    proof = None
    if row.tried_at is not None:
        steps = [ProofStep(**step) for step in row.steps]
        proof = Proof(row.outcome, row.tried_at, row.call_id, row.node, row.total_ms, steps)
    return Number(**own, last_proven_at=row.proven_at, last_proof=proof)


def _select_numbers(agency_id: UUID) -> Select[Any]:
    same = (number_proofs.c.agency_id == numbers.c.agency_id) & (number_proofs.c.number_id == numbers.c.id)
    return select(*_WITH_PROOF).outerjoin(number_proofs, same).where(numbers.c.agency_id == agency_id)


def insert_number(connection: Connection, values: Mapping[str, Any]) -> Number:
    return _number(connection.execute(insert(numbers).values(**values).returning(*numbers.c)).one())


def find_number(connection: Connection, agency_id: UUID, number_id: UUID, *, lock: bool = False) -> Number | None:
    statement = _select_numbers(agency_id).where(numbers.c.id == number_id)
    row = connection.execute(statement.with_for_update(of=numbers) if lock else statement).first()
    return _proven_number(row) if row else None


def find_numbers(
    connection: Connection, agency_id: UUID, wanted: Mapping[str, Any], *, limit: int, after: UUID | None
) -> Sequence[Number]:
    """In the order of their ids, which is that of their making. ``wanted``: column → value."""
    statement = _select_numbers(agency_id).order_by(numbers.c.id).limit(limit)
    for column, value in wanted.items():
        statement = statement.where(numbers.c[column] == value)
    if after is not None:
        statement = statement.where(numbers.c.id > after)
    return [_proven_number(row) for row in connection.execute(statement)]


def update_number(
    connection: Connection, agency_id: UUID, number_id: UUID, changes: Mapping[str, Any], now: datetime
) -> Number:
    """A new version of a number that was locked before."""
    statement = (
        update(numbers)
        .where(numbers.c.agency_id == agency_id, numbers.c.id == number_id)
        .values(**changes, updated_at=func.greatest(numbers.c.updated_at, now), version=numbers.c.version + 1)
        .returning(*numbers.c)
    )
    return _number(connection.execute(statement).one())


def leave_pool(connection: Connection, agency_id: UUID, number_id: UUID) -> None:
    """Nobody is given it any more; whoever sees it goes on seeing it."""
    connection.execute(
        delete(pool_numbers).where(pool_numbers.c.agency_id == agency_id, pool_numbers.c.number_id == number_id)
    )


def put_in_directory(connection: Connection, number: Number) -> None:
    """Carries the number over to where the call plane finds it, in the same transaction."""
    connection.execute(
        text("SELECT dialtrace_directory_put(:agency, :number)"), {"agency": number.agency_id, "number": number.id}
    )


# --- Carriers. ---


def keep_number(connection: Connection, e164: str) -> UUID | None:
    """Nobody gives it back that had it before; the carrier that it came from, if it was on its way there."""
    return connection.execute(text("SELECT dialtrace_number_keep(:e164)"), {"e164": e164}).scalar()


def insert_return(connection: Connection, number: Number, *, due_at: datetime) -> None:
    """A released number goes back to its carrier, then."""
    row = {"agency_id": number.agency_id, "number_id": number.id, "client_id": number.client_id}
    told = {"carrier_id": number.carrier_id, "e164": number.e164, "due_at": due_at}
    connection.execute(insert(number_returns).values(**row, **told))


# --- Proofs. ---


def save_proof(connection: Connection, number: InService, proof: Proof) -> None:
    """Keeps the last attempt; when a number was proven last stays over attempts that failed."""
    row = {
        "client_id": number.client_id,
        "outcome": proof.outcome,
        "tried_at": proof.tried_at,
        "call_id": proof.call_id,
        "node": proof.node,
        "total_ms": proof.total_ms,
        "steps": [asdict(step) for step in proof.steps],
    }
    proven = {"proven_at": proof.tried_at} if proof.is_proven else {}
    statement = postgresql.insert(number_proofs).values(
        agency_id=number.agency_id, number_id=number.number_id, **row, **proven
    )
    connection.execute(
        statement.on_conflict_do_update(index_elements=["agency_id", "number_id"], set_={**row, **proven})
    )


def numbers_in_service(connection: Connection, e164: str | None) -> list[InService]:
    """All of them in their own order, or the one that is named."""
    statement = text("SELECT * FROM dialtrace_numbers_in_service() WHERE CAST(:e164 AS text) IS NULL OR e164 = :e164")
    return [InService(**row._mapping) for row in connection.execute(statement, {"e164": e164})]


def last_proofs(connection: Connection) -> dict[UUID, LastProof]:
    """By the number's id. Needs the system role."""
    columns = number_proofs.c
    found = connection.execute(select(columns.number_id, columns.tried_at, columns.proven_at))
    return {row.number_id: LastProof(row.tried_at, row.proven_at) for row in found}


def node_states(connection: Connection) -> dict[str, str]:
    """Every node's state, as its monitor knows it. Needs the system role."""
    return {row.name: row.state for row in connection.execute(select(nodes.c.name, nodes.c.state))}
