"""Everything that the API's resources use."""

from __future__ import annotations

from ..admission.service import AdmissionService
from ..advice.service import AdviceService
from ..api.app import ApiServices
from ..archive.reading import ArchiveReader
from ..assessments.service import AssessmentService
from ..attribution.service import AttributionService
from ..audit.service import AuditService
from ..billing.books import PriceBooks
from ..billing.service import BillingService
from ..calls.nodes import NodeDirectory
from ..calls.schedules import ScheduleService
from ..calls.service import CallFlowService
from ..cdr.service import CdrService
from ..clock import SystemClock
from ..config import Settings
from ..decisions.service import HookSecrets
from ..exports.scheduling import ExportSchedules
from ..exports.service import ExportService
from ..jobs.service import JobQueue
from ..live.service import LiveService
from ..messages.service import MessageService
from ..outgoing.model import parse_networks
from ..people.links import LinkService
from ..people.service import PeopleService
from ..people.signing_in import SignInService
from ..pool.pools import PoolService
from ..pool.rounds import PoolRounds
from ..pool.service import Pools
from ..pool.visiting import VisitLeases
from ..privacy.service import PrivacyService
from ..recording.service import RecordingService
from ..reports.service import ReportService
from ..reports.subscribing import ReportSubscriptions
from ..sites.service import SiteService
from ..sites.visits import VisitService
from ..tenancy.service import TenancyService
from ..trunks.service import TrunkService
from ..watching.overview import Overview
from ..watching.service import WatchService
from ..webhooks.claims import Claims
from ..webhooks.service import WebhookService
from .alerts import build_alerts
from .brands import build_brands
from .call_plane import build_prompts, build_target_hosts
from .carriers import build_carriers, build_numbers, build_returns
from .databases import build_database
from .integrating import build_integrations
from .outside import build_guard, build_rules
from .sealing import build_box_if_any, build_secrets_box
from .stores import build_store, export_places

#: That one page shows.
MOST_NODES = 200


def build_api_services(settings: Settings) -> ApiServices:
    """Everything that the API's resources use."""
    database = build_database(settings, pool_size=settings["DIALTRACE_API_THREADS"])
    clock, store, queue = SystemClock(), build_store(settings), JobQueue(database)
    secret = settings["DIALTRACE_SECRET_KEY"].encode()
    sign_in = SignInService(database, clock, build_secrets_box(settings), hash_key=secret)
    prompts, reports = build_prompts(settings, database), ReportService(database, clock)
    carriers = build_carriers(settings, database)
    return ApiServices(
        database=database,
        tenancy=TenancyService(database, clock),
        admission=AdmissionService(database),
        trunks=TrunkService(database, clock, build_secrets_box(settings)),
        carriers=carriers,
        returns=build_returns(database, carriers),
        numbers=build_numbers(settings, database),
        sites=SiteService(database, clock),
        pools=PoolService(database, clock),
        leases=Pools(database, clock),
        pool_rounds=PoolRounds(database, clock),
        visits=VisitService(database, clock, VisitLeases(Pools(database, clock)), hash_key=secret),
        nodes=NodeDirectory(database),
        flows=CallFlowService(database, clock, prompts=prompts, hosts=build_target_hosts(settings)),
        schedules=ScheduleService(database, clock),
        prompts=prompts,
        cdr=CdrService(database),
        attribution=AttributionService(database, clock),
        assessments=AssessmentService(database, clock),
        reports=reports,
        advice=AdviceService(reports),
        report_subscriptions=ReportSubscriptions(database, clock, JobQueue(database)),
        live=LiveService(database),
        messages=MessageService(database),
        recordings=RecordingService(
            database, store, box=build_box_if_any(settings), clock=clock, guard=build_guard(settings)
        ),
        audit=AuditService(database),
        archive=ArchiveReader(database, store),
        exports=ExportService(database, clock, JobQueue(database), export_places(settings, database)),
        billing=BillingService(database, clock, JobQueue(database)),
        price_books=PriceBooks(database, clock),
        export_schedules=ExportSchedules(database, clock, queue),
        hook_secrets=HookSecrets(database, clock),
        privacy=PrivacyService(database, clock, store, jobs=JobQueue(database)),
        webhooks=WebhookService(database, build_secrets_box(settings), build_rules(settings), clock),
        integrations=build_integrations(settings, database, build_secrets_box(settings)),
        people=PeopleService(database, clock, queue),
        sign_in=sign_in,
        links=LinkService(database, clock, queue, sign_in),
        brands=build_brands(settings, database),
        noc=Overview(
            WatchService(database),
            nodes=lambda: NodeDirectory(database).list_nodes(limit=MOST_NODES).items,
            jobs=queue.backlog,
            webhooks=Claims(database).backlog,
            alerts=build_alerts(settings["DIALTRACE_PROMETHEUS_URL"]),
        ),
        secret_key=settings["DIALTRACE_SECRET_KEY"],
        origins=frozenset(filter(None, map(str.strip, settings["DIALTRACE_API_ORIGINS"].split(",")))),
        proxies=parse_networks(settings["DIALTRACE_API_PROXIES"]),
        pages_url=settings["DIALTRACE_PAGES_URL"].rstrip("/"),
        region_header=settings["DIALTRACE_REGION_HEADER"],
        visits_per_min=settings["DIALTRACE_VISITS_PER_MINUTE"],
        requests_per_min=settings["DIALTRACE_API_REQUESTS_PER_MINUTE"],
        agency_requests_per_min=settings["DIALTRACE_API_AGENCY_REQUESTS_PER_MINUTE"],
    )
