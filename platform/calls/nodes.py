"""What the operator sees of the switches: one row a node in the reference table `nodes`, written by its monitor."""

from __future__ import annotations

from dataclasses import dataclass

from ..db.engine import Database


@dataclass(frozen=True, slots=True)
class NodeReport:
    """A node's state as its monitor knows it; None leaves what was known before. ``seen`` says that the switch itself
    was heard now."""

    name: str
    kind: str
    sip_address: str
    state: str
    seen: bool
    core_uuid: str | None = None
    switch_version: str | None = None
    sessions: int | None = None
    max_sessions: int | None = None


# A node that drains goes on draining when it is merely up: only the operator ends that.
_REPORT = """
INSERT INTO nodes AS n (name, sip_address, kind, state, core_uuid, switch_version, sessions, max_sessions, last_seen_at)
VALUES (%(name)s, %(sip_address)s, %(kind)s, %(state)s, %(core_uuid)s, %(switch_version)s, %(sessions)s,
        %(max_sessions)s, CASE WHEN %(seen)s THEN now() END)
ON CONFLICT (name) DO UPDATE SET
    sip_address = excluded.sip_address, kind = excluded.kind,
    state = CASE WHEN n.state = 'draining' AND excluded.state = 'up' THEN n.state ELSE excluded.state END,
    core_uuid = coalesce(excluded.core_uuid, n.core_uuid),
    switch_version = coalesce(excluded.switch_version, n.switch_version),
    sessions = coalesce(excluded.sessions, n.sessions), max_sessions = coalesce(excluded.max_sessions, n.max_sessions),
    last_seen_at = coalesce(excluded.last_seen_at, n.last_seen_at)
"""


class NodeRegistry:
    """Writes nodes. Raises the errors of `db.errors`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def report(self, report: NodeReport) -> None:
        """Makes or updates the node's row."""
        values = {name: getattr(report, name) for name in NodeReport.__slots__}
        with self._database.directory() as connection:
            connection.exec_driver_sql(_REPORT, values)
