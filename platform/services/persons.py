"""What each room holds of people, and what carries out their requests."""

from __future__ import annotations

from dataclasses import dataclass

from ..admission.erasure import HabitHolder
from ..cdr.erasure import CallHolder
from ..clock import SystemClock
from ..config import Settings
from ..db.engine import Database
from ..integrations.erasure import ExchangeHolder
from ..objectstore.model import ObjectStore
from ..pool.store import delete_exposures
from ..privacy.copies import CopyHolder
from ..privacy.requests import RequestRunner
from ..privacy.retention import RetentionRunner
from ..privacy.signing import Signer
from ..recording.erasure import RecordingHolder
from ..recording.service import RecordingService
from ..secrets_box.errors import MasterKeyMissing, SealBroken
from ..sites.erasure import VisitHolder
from ..sites.visit_store import delete_visits
from ..subjects import Holder
from ..webhooks.erasure import AnswerHolder
from .databases import build_database
from .outside import build_guard
from .sealing import build_secrets_box
from .stores import build_store


@dataclass(frozen=True, kw_only=True)
class PrivacyWork:
    """What carries out requests of persons and the rules of retention."""

    requests: RequestRunner
    retention: RetentionRunner


def build_holders(database: Database, store: ObjectStore, recordings: RecordingService) -> dict[str, Holder]:
    """What each room holds of people, by the names that `privacy.holdings` uses; the records themselves come last."""
    return {
        "recordings": RecordingHolder(database, recordings),
        "copies": CopyHolder(database, store),
        "habits": HabitHolder(database),
        "webhooks": AnswerHolder(database),
        "integrations": ExchangeHolder(database),
        "visits": VisitHolder(database),
        "calls": CallHolder(database),
    }


def build_privacy_work(settings: Settings) -> PrivacyWork:
    """Its statements walk through whole tables in bounded pieces: they may take longer than an API's."""
    database, clock = build_database(settings, statement_timeout_ms=120_000), SystemClock()
    store = build_store(settings)
    box = build_secrets_box(settings)
    recordings = RecordingService(database, store, box=box, clock=clock, guard=build_guard(settings))
    signer = Signer(database, box, unopenable=(MasterKeyMissing, SealBroken))
    return PrivacyWork(
        requests=RequestRunner(database, clock, signer, store, holders=build_holders(database, store, recordings)),
        retention=RetentionRunner(
            database,
            clock,
            signer,
            callers=CallHolder(database),
            recordings=RecordingHolder(database, recordings),
            copies=CopyHolder(database, store),
            # What visits were shown goes with them; of a server of the agency's own it is all that there is.
            visits=lambda *of: delete_visits(*of) + delete_exposures(*of),
        ),
    )
