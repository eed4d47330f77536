"""Seals the secrets of agencies' stores and their keys anew when the master keys have a new first.

Nothing that is kept in a store changes: objects are under keys of their own, which the agency's key wraps.
"""

from __future__ import annotations

import uuid
from typing import Any

from ..secrets_box.model import SecretsBox
from .places import key_purpose, store_purpose

_STORES = "SELECT id, secret FROM recording_stores WHERE agency_id = %s FOR UPDATE"
_PUT_STORE = "UPDATE recording_stores SET secret = %s WHERE agency_id = %s AND id = %s"
_KEYS = "SELECT id, sealed FROM recording_keys WHERE agency_id = %s AND sealed IS NOT NULL FOR UPDATE"
_PUT_KEY = "UPDATE recording_keys SET sealed = %s WHERE agency_id = %s AND id = %s"


def reseal_recording_secrets(connection: Any, agency_id: uuid.UUID, box: SecretsBox) -> int:
    """In the caller's transaction, whose tenant is the agency; returns how many were under another key. Raises the
    errors of `secrets_box`."""
    count = 0
    for query, put, purpose in ((_STORES, _PUT_STORE, store_purpose), (_KEYS, _PUT_KEY, key_purpose)):
        for row_id, sealed in connection.exec_driver_sql(query, (agency_id,)).all():
            anew = box.reseal(bytes(sealed), purpose=purpose(agency_id, row_id))
            if anew is not None:
                connection.exec_driver_sql(put, (anew, agency_id, row_id))
                count += 1
    return count
