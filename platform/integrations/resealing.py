"""Seals integrations' secrets and what was said with others anew when the master keys have a new first."""

from __future__ import annotations

from uuid import UUID

from ..secrets_box.attempts import Open, reseal_attempts
from ..secrets_box.model import SecretsBox
from .delivering import exchange_purpose, secret_purpose

_SECRETS = "SELECT id, sealed FROM integrations WHERE agency_id = %s AND state <> 'deleted' FOR NO KEY UPDATE"
_PUT_SECRET = "UPDATE integrations SET sealed = %s WHERE agency_id = %s AND id = %s"  # noqa: S105 (a statement)


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
    return count + reseal_attempts(
        tenant, agency_id, box, table="integration_deliveries", member="said", purpose=exchange_purpose
    )  # fmt: skip
