"""What sends to webhooks."""

from __future__ import annotations

from ..clock import SystemClock
from ..config import Settings
from ..secrets_box.master_keys import parse_master_keys
from ..secrets_box.model import SecretsBox
from ..webhooks.claims import Bounds, Claims
from ..webhooks.model import Schedule as TrySchedule
from ..webhooks.sending import Sender
from .databases import build_database
from .outside import build_outgoing


def build_webhook_sending(settings: Settings, master_keys: str) -> tuple[Claims, Sender]:
    """What sends messages to webhooks. ``master_keys`` as they stand in the settings, or were kept."""
    database, bounds = build_database(settings, pool_size=4), Bounds()
    schedule = TrySchedule(
        tuple(map(float, settings["DIALTRACE_WEBHOOK_DELAYS_S"].split(","))),
        pause_after_s=settings["DIALTRACE_WEBHOOK_PAUSE_AFTER_S"],
        timeout_s=settings["DIALTRACE_WEBHOOK_TIMEOUT_S"],
    )
    client = build_outgoing(settings, most_per_host=bounds.host)
    box = SecretsBox(parse_master_keys(master_keys))
    return Claims(database), Sender(database, client, box, SystemClock(), schedule)
