"""Builds connections and wires the rooms: the only place where they meet their database and object store."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .admission.erasure import HabitHolder
from .admission.service import AdmissionService
from .api.app import ApiServices
from .audit.service import AuditService
from .calls.nodes import NodeDirectory
from .calls.service import CallFlowService
from .calls.target_hosts import TargetHosts, parse_hosts
from .cdr.erasure import CallHolder
from .cdr.service import CdrService
from .clock import SystemClock
from .config import Settings
from .db.engine import Database
from .db.tables import OPERATOR_AGENCY
from .decisions.service import DecisionService, HookSecrets
from .exports.making import MAKE, MAKE_TRIES, ExportMaker, StoreOf
from .exports.scheduling import DUE, ExportSchedules
from .exports.service import ExportService
from .jobs.model import LONG, Kind, Schedule
from .jobs.service import JobQueue
from .live.service import LiveService
from .messages.service import MessageService
from .numbers.service import NumberService
from .objectstore.model import ObjectStore
from .objectstore.service import open_store, parse_encryption
from .outgoing.model import Rules, parse_networks, parse_ports
from .outgoing.service import OutgoingClient
from .privacy.copies import CopyHolder
from .privacy.requests import RequestRunner
from .privacy.retention import RetentionRunner
from .privacy.service import CARRY_OUT, PrivacyService
from .privacy.signing import Signer
from .prompts.service import PromptService
from .prompts.speech import open_speech
from .recording.erasure import RecordingHolder
from .recording.guard import EndpointGuard
from .recording.service import RecordingService
from .secrets_box.errors import MasterKeyMissing, SealBroken
from .secrets_box.master_keys import parse_master_keys
from .secrets_box.model import SecretsBox
from .subjects import Holder
from .tenancy.errors import InvalidKey
from .tenancy.service import TenancyService
from .trunks.service import GatewayDirectory, TrunkService
from .webhooks.claims import Bounds, Claims
from .webhooks.erasure import AnswerHolder
from .webhooks.model import Schedule as TrySchedule
from .webhooks.sending import Sender
from .webhooks.service import WebhookService


def build_store(settings: Settings) -> ObjectStore:
    """The object store for recordings that the settings name."""
    return open_store(
        settings.recordings_url,
        endpoint_url=settings.s3_endpoint_url,
        encryption=parse_encryption(settings["DIALTRACE_S3_ENCRYPTION"]),
    )


def build_box_if_any(settings: Settings) -> SecretsBox | None:
    """For processes that work without: None where no master key was given."""
    return build_secrets_box(settings) if settings["DIALTRACE_MASTER_KEYS"] else None


def build_guard(settings: Settings) -> EndpointGuard:
    """Which addresses agencies' own stores may have: those that web hooks may have."""
    networks = parse_networks(settings["DIALTRACE_OUTGOING_PRIVATE_NETWORKS"])
    return EndpointGuard(Rules(private_networks=networks, ports=parse_ports(settings["DIALTRACE_OUTGOING_PORTS"])))


def build_database(settings: Settings, *, pool_size: int = 5, statement_timeout_ms: int = 10_000) -> Database:
    """Connections in the application's role."""
    return Database(settings.database_url, pool_size=pool_size, statement_timeout_ms=statement_timeout_ms)


def build_secrets_box(settings: Settings) -> SecretsBox:
    """What seals secrets: under the keys that are set, or those that this machine keeps."""
    return SecretsBox(parse_master_keys(settings["DIALTRACE_MASTER_KEYS"]))


def build_prompts(settings: Settings, database: Database) -> PromptService:
    """Speech: what renders texts and keeps them."""
    speech = open_speech(settings["DIALTRACE_SPEECH"])
    return PromptService(database, SystemClock(), speech=speech, convert=_telephone_wav)


def _telephone_wav(data: bytes, *, longest_s: float) -> tuple[bytes, int]:
    """Its numerics are loaded by the first sound: most processes never convert one."""
    from .prompts.sound import telephone_wav

    return telephone_wav(data, longest_s=longest_s)


def build_outgoing(settings: Settings, *, most_per_host: int) -> OutgoingClient:
    """The one HTTP client for addresses that other people have written down."""
    return OutgoingClient(
        build_rules(settings), ca_file=settings["DIALTRACE_OUTGOING_CA_FILE"], most_per_host=most_per_host
    )


def build_decisions(settings: Settings, *, most_per_host: int) -> DecisionService:
    """What asks clients' web hooks."""
    database, clock = build_database(settings, pool_size=8, statement_timeout_ms=2_000), SystemClock()
    client = build_outgoing(settings, most_per_host=most_per_host)
    return DecisionService(database, client, HookSecrets(database, clock), clock)


def build_rules(settings: Settings) -> Rules:
    """Where requests to other people's machines may go."""
    return Rules(
        private_networks=parse_networks(settings["DIALTRACE_OUTGOING_PRIVATE_NETWORKS"]),
        ports=parse_ports(settings["DIALTRACE_OUTGOING_PORTS"]),
    )


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


def build_gateways(settings: Settings, database: Database) -> GatewayDirectory:
    """The trunks that know us by a password, for the monitors."""
    return GatewayDirectory(database, build_secrets_box(settings))


def build_tenancy(database: Database) -> TenancyService:
    """Whose key it is, for processes that serve tenants."""
    return TenancyService(database, SystemClock())


def build_target_hosts(settings: Settings) -> TargetHosts:
    """The operator's rule for the hosts of targets."""
    return TargetHosts(
        allowed=parse_hosts(settings["DIALTRACE_TARGET_HOSTS_ALLOWED"]),
        denied=parse_hosts(settings["DIALTRACE_TARGET_HOSTS_DENIED"]),
    )


def build_api_services(settings: Settings) -> ApiServices:
    """Everything that the API's resources use."""
    database = build_database(settings, pool_size=settings["DIALTRACE_API_THREADS"])
    clock, store = SystemClock(), build_store(settings)
    return ApiServices(
        database=database,
        tenancy=TenancyService(database, clock),
        admission=AdmissionService(database),
        trunks=TrunkService(database, clock, build_secrets_box(settings)),
        numbers=NumberService(database, clock),
        nodes=NodeDirectory(database),
        flows=CallFlowService(
            database, clock, prompts=build_prompts(settings, database), hosts=build_target_hosts(settings)
        ),
        cdr=CdrService(database),
        live=LiveService(database),
        messages=MessageService(database),
        recordings=RecordingService(
            database, store, box=build_box_if_any(settings), clock=clock, guard=build_guard(settings)
        ),
        audit=AuditService(database),
        exports=ExportService(database, clock, JobQueue(database), export_store(settings)),
        export_schedules=ExportSchedules(database, clock, JobQueue(database)),
        hook_secrets=HookSecrets(database, clock),
        privacy=PrivacyService(database, clock, store, jobs=JobQueue(database)),
        webhooks=WebhookService(database, build_secrets_box(settings), build_rules(settings), clock),
        secret_key=settings["DIALTRACE_SECRET_KEY"],
        proxies=parse_networks(settings["DIALTRACE_API_PROXIES"]),
    )


#: What comes by itself. Never two of one schedule at a time; times are UTC.
SCHEDULES: tuple[Schedule, ...] = (
    Schedule(name="tidy-jobs", cron="17 3 * * *", job="jobs.tidy"),
    Schedule(name="carry-out-requests", cron="* * * * *", job=CARRY_OUT, lane=LONG),
    Schedule(name="delete-due", cron="41 * * * *", job="privacy.delete_due", lane=LONG),
    Schedule(name="begin-due-exports", cron="* * * * *", job=DUE),
)


def build_jobs(settings: Settings, database: Database, queue: JobQueue) -> tuple[Kind, ...]:
    """Every job by name, with what runs for it (docs/howto/jobs.md)."""
    privacy = build_privacy_work(settings)
    maker = ExportMaker(database, export_store(settings))
    schedules = ExportSchedules(database, SystemClock(), queue)
    return (
        Kind(name="jobs.tidy", handler=queue.tidy),
        Kind(name=CARRY_OUT, handler=privacy.requests.carry_out, longest_run_s=3600),
        Kind(name="privacy.delete_due", handler=privacy.retention.delete_due, longest_run_s=3600),
        Kind(name=DUE, handler=schedules.begin_due),
        Kind(name=MAKE, handler=maker.make, tries=MAKE_TRIES, longest_run_s=6 * 3600.0),
    )


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
        ),
    )


def export_store(settings: Settings) -> StoreOf:
    """Where an agency's exports stand: where recordings do."""
    objects = build_store(settings)
    return lambda _agency: ("", objects)


def operator_key(database_url: str, data_dir: Path) -> str:
    """The operator's API key of this installation: made once and kept in a file that only its owner can read."""
    path = data_dir / "operator-key"
    database = Database(database_url, pool_size=1)
    try:
        tenancy = TenancyService(database, SystemClock())
        if path.exists():
            token = path.read_text(encoding="utf-8").strip()
            try:
                tenancy.authenticate(token)
            except InvalidKey:
                pass
            else:
                return token
        _, token = tenancy.create_key(OPERATOR_AGENCY, role="operator", name="made by dialtrace up")
    finally:
        database.dispose()
    path.touch(mode=0o600)
    path.write_text(token + "\n", encoding="utf-8")
    return token
