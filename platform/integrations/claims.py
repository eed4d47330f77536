"""What `dialtrace work integrations` asks of the database: each call is one exchange, through the narrow functions, for
it serves all tenants. Raises the errors of `db.errors`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from ..db.engine import Database
from .errors import ClaimLost
from .model import Claimed, Kept, Made, Verdict

#: More than this on its way to one integration, and the rest stays in the log.
MOST_OPEN = 5_000
#: Deliveries of one integration at a time, over all processes; as many more of calls that ring.
EACH = 4
#: Deliveries of one system, and of one agency, at a time over all processes, half as many more of calls that ring: a
#: vendor that is away holds its own places and nobody else's.
OF_A_SYSTEM = 128
OF_AN_AGENCY = 64
_CLAIM = (
    "SELECT agency_id, id, claim, integration_id, client_id, system, settings, sealed, account, call_id, type,"
    " revision, occurred_at, is_late, tries FROM dialtrace_integrations_claim(%s, %s, %s, %s, %s)"
)
_SETTLE = "SELECT agency_id, integration_id, system, reason FROM dialtrace_integrations_settle(%s::jsonb)"


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a claimed delivery, and its exchanges as they are kept."""

    delivery: Claimed
    verdict: Verdict
    attempts: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True)
class Stopped:
    """An integration that stopped because of what the other side said."""

    agency_id: UUID
    integration_id: UUID
    system: str
    reason: str


@dataclass(frozen=True, slots=True)
class Backlog:
    """What there is for the integrations of one system. ``oldest_s``: of what an active one is to be told."""

    system: str
    due: int
    sent: int
    sending: int
    oldest_s: float
    broken: int
    paused: int


class Claims:
    """The queue of deliveries."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def catch_up(self) -> int:
        """Makes deliveries for integrations that are behind their log; how many events were looked at."""
        return int(self._database.look_up("SELECT dialtrace_integrations_catch_up(%s)", (MOST_OPEN,))[0][0])

    def claim(
        self, most: int, *, hold_s: int, each: int = EACH, of_a_system: int = OF_A_SYSTEM,
        of_an_agency: int = OF_AN_AGENCY,
    ) -> list[Claimed]:  # fmt: skip
        """Up to ``most`` deliveries that are due; nobody else gets them for so long."""
        rows = self._database.look_up(_CLAIM, (most, each, hold_s, of_a_system, of_an_agency))
        return [Claimed(**{**row._mapping, "sealed": bytes(row._mapping["sealed"])}) for row in rows]

    def settle(self, results: Sequence[Result]) -> list[Stopped]:
        """Writes down what became of them, all at once; the integrations that stopped by that."""
        rows = [
            {
                "agency_id": str(result.delivery.agency_id),
                "id": str(result.delivery.id),
                "claim": str(result.delivery.claim),
                "integration_id": str(result.delivery.integration_id),
                "outcome": result.verdict.outcome,
                "delay_s": result.verdict.delay_s,
                "reason": result.verdict.reason,
                "detail": (result.verdict.detail or "")[:500] or None,
                "attempts": list(result.attempts),
            }
            for result in results
        ]
        # What others say may hold a character that no text of PostgreSQL's does.
        return [Stopped(*row) for row in self._database.look_up(_SETTLE, (json.dumps(rows).replace("\\u0000", ""),))]

    def backlog(self) -> list[Backlog]:
        """What there is at this moment, by system."""
        return [Backlog(*row) for row in self._database.look_up("SELECT * FROM dialtrace_integrations_backlog()", ())]

    def tidy(self, *, kept_s: float, most: int) -> int:
        """Removes old deliveries; how many."""
        return int(self._database.look_up("SELECT dialtrace_integrations_tidy(%s, %s)", (kept_s, most))[0][0])


_READ = (
    "SELECT name, remote_id, data, state, begun_at FROM integration_objects"
    " WHERE agency_id = %s AND integration_id = %s AND call_id = %s"
)
_BEGIN = """
INSERT INTO integration_objects AS o (agency_id, integration_id, call_id, name, client_id, state, data)
SELECT d.agency_id, d.integration_id, d.call_id, %(name)s, d.client_id, 'sent', %(asked)s::jsonb
FROM integration_deliveries d
WHERE d.agency_id = %(agency)s AND d.id = %(id)s AND d.claim = %(claim)s AND d.state = 'sending'
  AND d.claimed_until > now()
ON CONFLICT (agency_id, integration_id, call_id, name) DO UPDATE SET begun_at = o.begun_at WHERE o.state = 'sent'
RETURNING o.name
"""
_KEEP = """
INSERT INTO integration_objects (agency_id, integration_id, call_id, name, client_id, state, remote_id, data, made_at)
VALUES (%(agency)s, %(integration)s, %(call)s, %(name)s, %(client)s, 'made', %(remote)s, %(data)s::jsonb, now())
ON CONFLICT (agency_id, integration_id, call_id, name)
DO UPDATE SET state = 'made', remote_id = excluded.remote_id, data = excluded.data, made_at = now()
"""
_FORGET = (
    "DELETE FROM integration_objects WHERE agency_id = %(agency)s AND integration_id = %(integration)s"
    " AND call_id = %(call)s AND name = %(name)s AND (state = 'sent' OR %(made)s)"
)


class CallJournal:
    """What was made in the other system for one call. A request that makes something leaves only behind its row, and
    only while the delivery is this process's: one that stood still for too long finds that another has it by now."""

    def __init__(self, database: Database, delivery: Claimed) -> None:
        self._database = database
        self._delivery = delivery
        with database.tenant(delivery.agency_id) as connection:
            values = (delivery.agency_id, delivery.integration_id, delivery.call_id)
            rows = connection.exec_driver_sql(_READ, values).all()
        self._kept = {
            row.name: Kept(Made(row.remote_id, row.data), row.begun_at)
            if row.state == "made"
            else Kept(None, row.begun_at, row.data)
            for row in rows
        }

    def find(self, name: str) -> Kept | None:
        return self._kept.get(name)

    def begin(self, name: str, asked: Mapping[str, Any]) -> None:
        """What an earlier one asked stays. Raises ClaimLost."""
        delivery = self._delivery
        values = {
            "agency": delivery.agency_id, "id": delivery.id, "claim": delivery.claim, "name": name,
            "asked": json.dumps(dict(asked)),
        }  # fmt: skip
        with self._database.tenant(delivery.agency_id) as connection:
            if connection.exec_driver_sql(_BEGIN, values).first() is None:
                raise ClaimLost
        self._kept[name] = Kept(None, asked=asked)

    def keep(self, name: str, made: Made) -> None:
        values = self._key(name) | {"remote": made.remote_id, "data": json.dumps(dict(made.data))}
        with self._database.tenant(self._delivery.agency_id) as connection:
            connection.exec_driver_sql(_KEEP, values)
        self._kept[name] = Kept(made)

    def forget(self, name: str, *, is_made: bool = False) -> None:
        """``is_made``: also what was made, for it is to be made anew."""
        with self._database.tenant(self._delivery.agency_id) as connection:
            connection.exec_driver_sql(_FORGET, self._key(name) | {"made": is_made})
        self._kept.pop(name, None)

    def _key(self, name: str) -> dict[str, Any]:
        delivery = self._delivery
        return {
            "agency": delivery.agency_id, "integration": delivery.integration_id, "call": delivery.call_id,
            "client": delivery.client_id, "name": name,
        }  # fmt: skip
