"""SQL of people who sign in. Every function takes a connection whose tenant is set already, but for those of the
directory, which find the tenant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, Select, delete, func, insert, or_, select, text, update

from ..db.tables import OPERATOR_AGENCY, agencies, roles, sessions, user_links, users
from ..tenancy.permissions import ROLES
from .model import Credentials, LinkKind, Role, Session, User, reach_of

_OPERATOR = UUID(OPERATOR_AGENCY)
_SESSION = tuple(column for column in sessions.c if column.name != "secret_hash")
_SHOWN = ("agency_id", "id", "client_id", "email", "name", "role", "role_id", "state", "language", "last_sign_in_at",
          "created_at", "updated_at", "version")  # fmt: skip


def _users() -> Select[Any]:
    joined = users.outerjoin(roles, (roles.c.agency_id == users.c.agency_id) & (roles.c.id == users.c.role_id))
    return select(
        *(users.c[name] for name in _SHOWN), users.c.totp_confirmed_at, roles.c.permissions
    ).select_from(joined)  # fmt: skip


def _user(row: Row[Any]) -> User:
    return User(
        **{name: row._mapping[name] for name in _SHOWN},
        reach=reach_of(row.agency_id, row.client_id, _OPERATOR),
        has_second_factor=row.totp_confirmed_at is not None,
        permissions=ROLES[row.role] if row.role is not None else frozenset(row.permissions or ()),
    )


def insert_user(connection: Connection, values: Mapping[str, Any]) -> None:
    connection.execute(insert(users).values(**values))


def find_user(connection: Connection, agency_id: UUID, user_id: UUID) -> User | None:
    row = connection.execute(_users().where(users.c.agency_id == agency_id, users.c.id == user_id)).first()
    return _user(row) if row else None


def wants_second_factor(connection: Connection, agency_id: UUID) -> bool:
    """Whether the agency wants one of everybody who signs in."""
    query = select(agencies.c.second_factor_required).where(agencies.c.agency_id == agency_id)
    return bool(connection.execute(query).scalar())


def find_users(
    connection: Connection, agency_id: UUID, client_id: UUID | None, *, limit: int, after: UUID | None
) -> Sequence[User]:
    """In the order of their ids, which is that of their making."""
    query = _users().where(users.c.agency_id == agency_id)
    if client_id is not None:
        query = query.where(users.c.client_id == client_id)
    if after is not None:
        query = query.where(users.c.id > after)
    return [_user(row) for row in connection.execute(query.order_by(users.c.id).limit(limit))]


def update_user(connection: Connection, user: User, values: Mapping[str, Any], now: datetime) -> bool:
    """False: it was changed since ``user`` was read."""
    statement = (
        update(users)
        .where(users.c.agency_id == user.agency_id, users.c.id == user.id, users.c.version == user.version)
        .values(**values, updated_at=now, version=users.c.version + 1)
    )
    return connection.execute(statement).rowcount == 1


def delete_user(connection: Connection, agency_id: UUID, user_id: UUID) -> None:
    connection.execute(delete(users).where(users.c.agency_id == agency_id, users.c.id == user_id))


def lock_owners(connection: Connection, agency_id: UUID, client_id: UUID | None) -> list[UUID]:
    """The active owners of an agency (or of one client), locked: two who remove the last two wait for each other."""
    mine = users.c.client_id.is_(None) if client_id is None else users.c.client_id == client_id
    query = select(users.c.id).where(
        users.c.agency_id == agency_id, mine, users.c.role == "owner", users.c.state == "active"
    )
    return list(connection.execute(query.order_by(users.c.id).with_for_update()).scalars())


def put_in_directory(connection: Connection, agency_id: UUID, user_id: UUID) -> None:
    connection.execute(text("SELECT dialtrace_sign_in_put(:a, :u)"), {"a": agency_id, "u": user_id})


def find_in_directory(connection: Connection, email: str) -> list[tuple[UUID, UUID]]:
    """Agency and user, for each that signs in with this e-mail address."""
    rows = connection.execute(text("SELECT agency_id, user_id FROM dialtrace_sign_in(:e)"), {"e": email})
    return [(row.agency_id, row.user_id) for row in rows]


def count_try(connection: Connection, keys: Sequence[bytes], most: Sequence[int], window_s: int) -> int:
    """0, or how many seconds to wait."""
    statement = "SELECT dialtrace_sign_in_try(%s::bytea[], %s::integer[], %s)"
    found: int = connection.exec_driver_sql(statement, (list(keys), list(most), window_s)).scalar_one()
    return found


def forget_tries(connection: Connection, keys: Sequence[bytes]) -> None:
    connection.exec_driver_sql("SELECT dialtrace_sign_in_forget(%s::bytea[])", (list(keys),))


def find_credentials(
    connection: Connection, agency_id: UUID, user_id: UUID, *, lock: bool = False
) -> Credentials | None:
    columns = users.c
    query = select(
        columns.id.label("user_id"), columns.password_hash, columns.totp_sealed, columns.totp_confirmed_at,
        columns.totp_last_step, columns.recovery_hashes,
    ).where(columns.agency_id == agency_id, columns.id == user_id)  # fmt: skip
    row = connection.execute(query.with_for_update() if lock else query).mappings().first()
    if row is None:
        return None
    hashes = tuple(bytes(one) for one in row["recovery_hashes"])
    sealed = bytes(row["totp_sealed"]) if row["totp_sealed"] is not None else None
    return Credentials(**{**row, "recovery_hashes": hashes, "totp_sealed": sealed})


def set_credentials(connection: Connection, agency_id: UUID, user_id: UUID, **values: Any) -> None:
    """What somebody proves himself by is no part of what `version` counts."""
    connection.execute(update(users).where(users.c.agency_id == agency_id, users.c.id == user_id).values(**values))


# --- Links. ---


def insert_link(connection: Connection, user: User, link_id: UUID, kind: LinkKind, secret_hash: bytes,
                now: datetime, until: datetime) -> None:  # fmt: skip
    """The links before it open nothing any more."""
    columns = user_links.c
    connection.execute(delete(user_links).where(columns.agency_id == user.agency_id, columns.user_id == user.id))
    connection.execute(
        insert(user_links).values(
            agency_id=user.agency_id, id=link_id, client_id=user.client_id, user_id=user.id, kind=kind,
            secret_hash=secret_hash, created_at=now, expires_at=until,
        )
    )  # fmt: skip


def find_link(connection: Connection, agency_id: UUID, link_id: UUID) -> Row[Any] | None:
    """Locked: a link is used once."""
    columns = user_links.c
    query = select(*columns).where(columns.agency_id == agency_id, columns.id == link_id).with_for_update()
    return connection.execute(query).first()


def use_link(connection: Connection, agency_id: UUID, link_id: UUID, now: datetime) -> None:
    columns = user_links.c
    connection.execute(
        update(user_links).where(columns.agency_id == agency_id, columns.id == link_id).values(used_at=now)
    )


# --- Sessions. ---


def insert_session(connection: Connection, session: Session, secret_hash: bytes) -> None:
    values = {name: getattr(session, name) for name in Session.__dataclass_fields__}
    connection.execute(insert(sessions).values(**values, secret_hash=secret_hash))


def find_session(connection: Connection, agency_id: UUID, session_id: UUID) -> tuple[Session, bytes] | None:
    """A session and the hash of its secret."""
    query = select(*sessions.c).where(sessions.c.agency_id == agency_id, sessions.c.id == session_id)
    row = connection.execute(query).first()
    if row is None:
        return None
    return Session(**{column.name: row._mapping[column] for column in _SESSION}), bytes(row.secret_hash)


def find_sessions(connection: Connection, agency_id: UUID, user_id: UUID) -> list[Session]:
    """The latest first."""
    query = select(*_SESSION).where(sessions.c.agency_id == agency_id, sessions.c.user_id == user_id)
    rows = connection.execute(query.order_by(sessions.c.last_seen_at.desc()).limit(100))
    return [Session(**row._mapping) for row in rows]


def touch_session(connection: Connection, session: Session, now: datetime) -> None:
    connection.execute(
        update(sessions)
        .where(sessions.c.agency_id == session.agency_id, sessions.c.id == session.id)
        .values(last_seen_at=func.greatest(sessions.c.last_seen_at, now))
    )


def end_sessions(
    connection: Connection, agency_id: UUID, user_id: UUID, *, but: UUID | None = None, only: UUID | None = None
) -> int:
    """All of a user's, or all ``but`` one, or ``only`` one; and whatever of the user's is over anyway."""
    statement = delete(sessions).where(sessions.c.agency_id == agency_id, sessions.c.user_id == user_id)
    if but is not None:
        statement = statement.where(sessions.c.id != but)
    if only is not None:
        statement = statement.where(or_(sessions.c.id == only, sessions.c.expires_at < func.now()))
    return connection.execute(statement).rowcount


# --- Roles. ---


def _role(row: Row[Any]) -> Role:
    return Role(**{**row._mapping, "permissions": tuple(row.permissions)})


def insert_role(connection: Connection, agency_id: UUID, role_id: UUID, name: str, permissions: Sequence[str]) -> Role:
    values = {"agency_id": agency_id, "id": role_id, "name": name, "permissions": list(permissions)}
    return _role(connection.execute(insert(roles).values(**values).returning(*roles.c)).one())


def find_role(connection: Connection, agency_id: UUID, role_id: UUID) -> Role | None:
    row = connection.execute(select(*roles.c).where(roles.c.agency_id == agency_id, roles.c.id == role_id)).first()
    return _role(row) if row else None


def find_roles(connection: Connection, agency_id: UUID, *, limit: int, after: UUID | None) -> Sequence[Role]:
    query = select(*roles.c).where(roles.c.agency_id == agency_id)
    if after is not None:
        query = query.where(roles.c.id > after)
    return [_role(row) for row in connection.execute(query.order_by(roles.c.id).limit(limit))]


def update_role(connection: Connection, role: Role, values: Mapping[str, Any], now: datetime) -> Role | None:
    statement = (
        update(roles)
        .where(roles.c.agency_id == role.agency_id, roles.c.id == role.id, roles.c.version == role.version)
        .values(**values, updated_at=now, version=roles.c.version + 1)
        .returning(*roles.c)
    )
    row = connection.execute(statement).first()
    return _role(row) if row else None


def delete_role(connection: Connection, agency_id: UUID, role_id: UUID) -> None:
    connection.execute(delete(roles).where(roles.c.agency_id == agency_id, roles.c.id == role_id))


def count_roles(connection: Connection, agency_id: UUID) -> int:
    return connection.execute(select(func.count()).where(roles.c.agency_id == agency_id)).scalar_one()
