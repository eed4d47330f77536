"""SQL of what integrations were told of a call, for its explanation; the delivery itself tells what was said."""

from __future__ import annotations

import uuid

from sqlalchemy import Connection

from .explain_facts import ToldFacts

#: More than a call ever has; an explanation is read by people.
MOST = 200
_TOLD = """
SELECT d.id, d.integration_id, i.name AS integration, i.system, d.type, d.state, d.reason, d.detail, d.tries,
    d.created_at, d.settled_at, (SELECT coalesce(jsonb_agg(a.value - 'said' ORDER BY a.place), '[]')
        FROM jsonb_array_elements(d.attempts) WITH ORDINALITY a (value, place)) AS requests
FROM integration_deliveries d JOIN integrations i ON i.agency_id = d.agency_id AND i.id = d.integration_id
WHERE d.agency_id = %s AND d.call_id = %s AND i.state <> 'deleted' ORDER BY d.created_at, d.rank, d.revision LIMIT %s
"""


def told_to_integrations(connection: Connection, agency_id: uuid.UUID, call_id: uuid.UUID) -> list[ToldFacts]:
    rows = connection.exec_driver_sql(_TOLD, (agency_id, call_id, MOST)).mappings()
    return [ToldFacts(**row) for row in rows]
