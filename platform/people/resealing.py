"""Seals second factors anew when the master keys have a new first."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from ..secrets_box.model import SecretsBox
from .signing_in import purpose_of

_SEALED = "SELECT id, totp_sealed FROM users WHERE agency_id = %s AND totp_sealed IS NOT NULL FOR UPDATE"
_PUT = "UPDATE users SET totp_sealed = %s WHERE agency_id = %s AND id = %s"


def reseal_second_factors(connection: Any, agency_id: UUID, box: SecretsBox) -> int:
    """How many were under another key. Raises the errors of `secrets_box`."""
    count = 0
    for user_id, sealed in connection.exec_driver_sql(_SEALED, (agency_id,)).all():
        anew = box.reseal(bytes(sealed), purpose=purpose_of(agency_id, user_id))
        if anew is not None:
            connection.exec_driver_sql(_PUT, (anew, agency_id, user_id))
            count += 1
    return count
