"""What the API's resources may use: the use cases of the rooms below, built and handed in by `services`."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

from ..addresses import Network
from ..admission.service import AdmissionService
from ..advice.service import AdviceService
from ..archive.reading import ArchiveReader
from ..assessments.service import AssessmentService
from ..attribution.service import AttributionService
from ..audit.service import AuditService
from ..billing.books import PriceBooks
from ..billing.service import BillingService
from ..brands.service import BrandService
from ..calls.nodes import NodeDirectory
from ..calls.schedules import ScheduleService
from ..calls.service import CallFlowService
from ..carriers.returning import NumberReturns
from ..carriers.service import CarrierService
from ..cdr.service import CdrService
from ..clock import Clock, SystemClock
from ..db.engine import Database
from ..decisions.service import HookSecrets
from ..documents.service import TenantDocuments
from ..documents.work import Rooms
from ..exports.scheduling import ExportSchedules
from ..exports.service import ExportService
from ..integrations.service import IntegrationService
from ..live.service import LiveService
from ..messages.service import MessageService
from ..numbers.service import NumberService
from ..people.links import LinkService
from ..people.service import PeopleService
from ..people.signing_in import SignInService
from ..pool.pools import PoolService
from ..pool.rounds import PoolRounds
from ..pool.service import Pools
from ..privacy.service import PrivacyService
from ..prompts.service import PromptService
from ..recording.service import RecordingService
from ..reports.service import ReportService
from ..reports.subscribing import ReportSubscriptions
from ..sites.service import SiteService
from ..sites.visits import VisitService
from ..tenancy.service import TenancyService
from ..trunks.service import TrunkService
from ..watching.overview import Overview
from ..webhooks.service import WebhookService


@dataclass(frozen=True, kw_only=True)
class ApiServices:
    """Everything that the API's resources use. ``secret_key`` signs cursors; several API machines share one."""

    database: Database
    tenancy: TenancyService
    admission: AdmissionService
    trunks: TrunkService
    carriers: CarrierService
    returns: NumberReturns
    numbers: NumberService
    sites: SiteService
    pools: PoolService
    leases: Pools
    pool_rounds: PoolRounds
    visits: VisitService
    nodes: NodeDirectory
    flows: CallFlowService
    schedules: ScheduleService
    prompts: PromptService
    cdr: CdrService
    attribution: AttributionService
    assessments: AssessmentService
    reports: ReportService
    advice: AdviceService
    report_subscriptions: ReportSubscriptions
    live: LiveService
    messages: MessageService
    webhooks: WebhookService
    integrations: IntegrationService
    recordings: RecordingService
    audit: AuditService
    archive: ArchiveReader
    billing: BillingService
    price_books: PriceBooks
    exports: ExportService
    export_schedules: ExportSchedules
    hook_secrets: HookSecrets
    privacy: PrivacyService
    people: PeopleService
    sign_in: SignInService
    links: LinkService
    brands: BrandService
    noc: Overview
    secret_key: str
    #: Whose word about where a request came from is taken.
    proxies: tuple[Network, ...] = ()
    #: Where pages reach this API; empty: where whoever asks for a snippet does.
    pages_url: str = ""
    #: In which header a proxy of ours says where a visitor is.
    region_header: str = ""
    #: How often one address may open pages of one site; 0: any number.
    visits_per_min: int = 0
    #: Pages of other origins that may use the API with a key; never with a session.
    origins: frozenset[str] = frozenset()
    #: How many requests a key, and all keys of an agency, may send in a minute; 0: any number.
    requests_per_min: int = 0
    agency_requests_per_min: int = 0
    clock: Clock = field(default_factory=SystemClock)

    @property
    def documents(self) -> TenantDocuments:
        """Clients as documents: made by the use cases of these very rooms."""
        given = {one.name: getattr(self, one.name) for one in fields(Rooms) if one.name != "recording"}
        return TenantDocuments(self.database, Rooms(**given, recording=self.recordings.stores))
