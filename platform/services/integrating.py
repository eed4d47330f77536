"""What tells integrations, and what sets them up."""

from __future__ import annotations

from ..clock import SystemClock
from ..config import Settings
from ..db.engine import Database
from ..integrations.claims import OF_A_SYSTEM, Claims
from ..integrations.delivering import Deliverer
from ..integrations.model import Schedule
from ..integrations.reading import Reader
from ..integrations.service import IntegrationService
from ..secrets_box.master_keys import parse_master_keys
from ..secrets_box.model import SecretsBox
from .databases import build_database
from .outside import build_outgoing

#: Requests to one host at a time: all that a system's deliveries make may go to one. The account's own rate is what
#: holds them back.
MOST_PER_HOST = OF_A_SYSTEM


def _schedule(settings: Settings) -> Schedule:
    return Schedule(
        tuple(map(float, settings["DIALTRACE_INTEGRATION_DELAYS_S"].split(","))),
        timeout_s=settings["DIALTRACE_INTEGRATION_TIMEOUT_S"],
        in_doubt_s=settings["DIALTRACE_INTEGRATION_DOUBT_S"],
    )


def _deliverer(settings: Settings, database: Database, box: SecretsBox) -> Deliverer:
    client = build_outgoing(settings, most_per_host=MOST_PER_HOST)
    return Deliverer(database, client, box, SystemClock(), _schedule(settings))


def build_integration_work(settings: Settings, master_keys: str) -> tuple[Claims, Deliverer, Reader]:
    """What makes deliveries, and reads back. ``master_keys`` as they stand in the settings, or were kept."""
    database = build_database(settings, pool_size=8)
    deliverer = _deliverer(settings, database, SecretsBox(parse_master_keys(master_keys)))
    return Claims(database), deliverer, Reader(database, SystemClock(), deliverer)


def build_integrations(settings: Settings, database: Database, box: SecretsBox) -> IntegrationService:
    """What sets integrations up, and tests them."""
    return IntegrationService(database, box, SystemClock(), _deliverer(settings, database, box))
