"""Everything that is sealed in the database, sealed anew under the first of the master keys."""

from __future__ import annotations

from ..carriers.resealing import reseal_tokens
from ..clock import SystemClock
from ..config import Settings
from ..db.engine import Database
from ..integrations.resealing import reseal_integrations
from ..people.resealing import reseal_second_factors
from ..privacy.signing import Signer
from ..recording.resealing import reseal_recording_secrets
from ..secrets_box.errors import MasterKeyMissing, SealBroken
from ..trunks.service import TrunkService
from ..webhooks.resealing import reseal_webhook_secrets
from .sealing import build_secrets_box


def reseal_all(settings: Settings, database: Database) -> dict[str, int]:
    """What was under another key, by kind. Each agency's in transactions of its own: stopped in the middle it is run
    again. Raises the errors of `secrets_box`; what stands under a key that is not in the list stays as it is."""
    box = build_secrets_box(settings)
    counts = {
        "passwords of trunks": TrunkService(database, SystemClock(), box).reseal_passwords(),
        "tokens of carriers": reseal_tokens(database, box),
        "keys of receipts": Signer(database, box, unopenable=(MasterKeyMissing, SealBroken)).reseal(),
        "secrets of stores and keys of recordings": 0,
        "secrets of webhooks and answers kept": 0,
        "secrets of integrations and what was said": 0,
        "second factors of users": 0,
    }
    with database.system() as connection:
        agencies = [row[0] for row in connection.exec_driver_sql("SELECT agency_id FROM agencies ORDER BY 1")]
    for agency_id in agencies:
        with database.tenant(agency_id) as connection:
            counts["secrets of stores and keys of recordings"] += reseal_recording_secrets(connection, agency_id, box)
            counts["second factors of users"] += reseal_second_factors(connection, agency_id, box)
        counts["secrets of webhooks and answers kept"] += reseal_webhook_secrets(database.tenant, agency_id, box)
        counts["secrets of integrations and what was said"] += reseal_integrations(database.tenant, agency_id, box)
    return counts
