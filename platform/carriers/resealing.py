"""Seals carriers' tokens anew when the master keys have a new first."""

from __future__ import annotations

from ..db.engine import Database
from ..db.tables import OPERATOR_AGENCY
from ..secrets_box.model import SecretsBox
from . import store
from .service import purpose_of


def reseal_tokens(database: Database, box: SecretsBox) -> int:
    """How many were under another key. Raises the errors of `secrets_box`, and then none is changed."""
    with database.tenant(OPERATOR_AGENCY) as connection:
        anew = [
            (carrier_id, box.reseal(sealed, purpose=purpose_of(carrier_id)))
            for carrier_id, sealed in store.sealed_tokens(connection)
        ]
        changed = [(carrier_id, sealed) for carrier_id, sealed in anew if sealed is not None]
        for carrier_id, sealed in changed:
            store.put_sealed_token(connection, carrier_id, sealed)
    return len(changed)
