"""Seals integrations' secrets and what was said with others anew when the master keys have a new first."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID

from ..secrets_box.model import SecretsBox
from .delivering import exchange_purpose, secret_purpose

#: Deliveries looked at in one transaction.
BATCH = 500
_SECRETS = "SELECT id, sealed FROM integrations WHERE agency_id = %s AND state <> 'deleted' FOR NO KEY UPDATE"
_PUT_SECRET = "UPDATE integrations SET sealed = %s WHERE agency_id = %s AND id = %s"  # noqa: S105 (a statement)
_SAID = """
SELECT id, attempts FROM integration_deliveries
WHERE agency_id = %s AND id > %s AND attempts <> '[]' ORDER BY id LIMIT %s FOR UPDATE
"""
_PUT_SAID = "UPDATE integration_deliveries SET attempts = %s::jsonb WHERE agency_id = %s AND id = %s"

Open = Callable[[UUID], AbstractContextManager[Any]]


def reseal_integrations(tenant: Open, agency_id: UUID, box: SecretsBox) -> int:
    """``tenant`` opens a transaction of an agency. Returns how many were under another key. Raises the errors of
    `secrets_box`."""
    count = 0
    with tenant(agency_id) as connection:
        for integration_id, sealed in connection.exec_driver_sql(_SECRETS, (agency_id,)).all():
            anew = box.reseal(bytes(sealed), purpose=secret_purpose(integration_id))
            if anew is not None:
                connection.exec_driver_sql(_PUT_SECRET, (anew, agency_id, integration_id))
                count += 1
    after, rows = UUID(int=0), BATCH
    while rows == BATCH:
        with tenant(agency_id) as connection:
            found = connection.exec_driver_sql(_SAID, (agency_id, after, BATCH)).all()
            for delivery_id, attempts in found:
                changed = _resealed(box, delivery_id, attempts)
                count += changed
                if changed:
                    connection.exec_driver_sql(_PUT_SAID, (json.dumps(attempts), agency_id, delivery_id))
        rows, after = len(found), found[-1][0] if found else after
    return count


def _resealed(box: SecretsBox, delivery_id: UUID, attempts: list[dict[str, Any]]) -> int:
    """Changes the attempts in place; how many of them."""
    changed = 0
    for attempt in attempts:
        sealed = attempt.get("said")
        anew = box.reseal(base64.b64decode(sealed), purpose=exchange_purpose(delivery_id)) if sealed else None
        if anew is not None:
            attempt["said"] = base64.b64encode(anew).decode()
            changed += 1
    return changed
