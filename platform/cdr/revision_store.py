"""SQL of what records said before they were revised (a trigger writes it)."""

from __future__ import annotations

import uuid
from typing import Any

from .model import Call
from .revisions import Replaced

_MOST = 1_000
_REPLACED = """
SELECT r.leg_id, r.revision, r.replaced_at, r.before FROM call_revisions r
WHERE r.agency_id = %s AND r.call_id = %s AND r.call_started_at = %s ORDER BY r.replaced_at DESC LIMIT %s
"""
_AS_IT_IS = """
SELECT NULL::uuid AS leg_id, to_jsonb(c) AS members FROM calls c
WHERE c.agency_id = %(agency)s AND c.id = %(id)s AND c.started_at = %(at)s
UNION ALL SELECT l.id, to_jsonb(l) FROM legs l
WHERE l.agency_id = %(agency)s AND l.call_id = %(id)s AND l.call_started_at = %(at)s
"""


def find_replaced(
    connection: Any, agency_id: uuid.UUID, call: Call
) -> tuple[list[Replaced], dict[uuid.UUID | None, dict[str, Any]]]:
    """What the call and its legs said before, and what they say now."""
    key = {"agency": agency_id, "id": call.id, "at": call.started_at}
    found = connection.exec_driver_sql(_REPLACED, (*key.values(), _MOST))
    replaced = [Replaced(**row) for row in found.mappings()]
    return replaced, {row.leg_id: row.members for row in connection.exec_driver_sql(_AS_IT_IS, key)}
