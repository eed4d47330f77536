"""Seals webhooks' secrets and the answers that were kept anew when the master keys have a new first."""

from __future__ import annotations

from uuid import UUID

from ..secrets_box.attempts import Open, reseal_attempts
from ..secrets_box.model import SecretsBox
from .sending import answer_purpose, secret_purpose

_SECRETS = "SELECT id, webhook_id, sealed FROM webhook_secrets WHERE agency_id = %s FOR UPDATE"
_PUT_SECRET = "UPDATE webhook_secrets SET sealed = %s WHERE agency_id = %s AND id = %s"  # noqa: S105 (a statement)


def reseal_webhook_secrets(tenant: Open, agency_id: UUID, box: SecretsBox) -> int:
    """``tenant`` opens a transaction of an agency. Returns how many were under another key. Raises the errors of
    `secrets_box`."""
    with tenant(agency_id) as connection:
        count = 0
        for row_id, webhook_id, sealed in connection.exec_driver_sql(_SECRETS, (agency_id,)).all():
            anew = box.reseal(bytes(sealed), purpose=secret_purpose(webhook_id))
            if anew is not None:
                connection.exec_driver_sql(_PUT_SECRET, (anew, agency_id, row_id))
                count += 1
    return count + reseal_attempts(
        tenant, agency_id, box, table="webhook_deliveries", member="body", purpose=answer_purpose
    )  # fmt: skip
