"""Seals what ledgers keep of their tries anew: a row's `attempts` are a list, and one member of each is sealed.

Knows a ledger by its table's name only, and its connection by what is asked of it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID

from .model import SecretsBox

#: Rows looked at in one transaction.
BATCH = 500
_READ = """
SELECT id, attempts FROM {table}
WHERE agency_id = %s AND id > %s AND attempts <> '[]' ORDER BY id LIMIT %s FOR UPDATE
"""
_PUT = "UPDATE {table} SET attempts = %s::jsonb WHERE agency_id = %s AND id = %s"

Open = Callable[[UUID], AbstractContextManager[Any]]


def reseal_attempts(
    tenant: Open, agency_id: UUID, box: SecretsBox, *, table: str, member: str, purpose: Callable[[UUID], str]
) -> int:
    """``tenant`` opens a transaction of an agency; ``purpose`` says by a row's id what its attempts are sealed for.
    Returns how many were under another key. Raises MasterKeyMissing, SealBroken."""
    assert table.isidentifier()
    read, put = _READ.format(table=table), _PUT.format(table=table)
    count, after, rows = 0, UUID(int=0), BATCH
    while rows == BATCH:
        with tenant(agency_id) as connection:
            found = connection.exec_driver_sql(read, (agency_id, after, BATCH)).all()
            for row_id, attempts in found:
                changed = _resealed(box, attempts, member, purpose(row_id))
                count += changed
                if changed:
                    connection.exec_driver_sql(put, (json.dumps(attempts), agency_id, row_id))
        rows, after = len(found), found[-1][0] if found else after
    return count


def _resealed(box: SecretsBox, attempts: list[dict[str, Any]], member: str, purpose: str) -> int:
    """Changes the attempts in place; how many of them."""
    changed = 0
    for attempt in attempts:
        sealed = attempt.get(member)
        anew = box.reseal(base64.b64decode(sealed), purpose=purpose) if sealed else None
        if anew is not None:
            attempt[member] = base64.b64encode(anew).decode()
            changed += 1
    return changed
