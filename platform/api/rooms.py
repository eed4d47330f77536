"""What the API's resources may use: the use cases of the rooms below, built and handed in by `services`."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network

from ..admission.service import AdmissionService
from ..audit.service import AuditService
from ..calls.nodes import NodeDirectory
from ..calls.service import CallFlowService
from ..cdr.service import CdrService
from ..clock import Clock, SystemClock
from ..db.engine import Database
from ..decisions.service import HookSecrets
from ..exports.scheduling import ExportSchedules
from ..exports.service import ExportService
from ..live.service import LiveService
from ..messages.service import MessageService
from ..numbers.service import NumberService
from ..pool.pools import PoolService
from ..pool.rounds import PoolRounds
from ..pool.service import Pools
from ..privacy.service import PrivacyService
from ..recording.service import RecordingService
from ..sites.service import SiteService
from ..tenancy.service import TenancyService
from ..trunks.service import TrunkService
from ..webhooks.service import WebhookService

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, kw_only=True)
class ApiServices:
    """Everything that the API's resources use. ``secret_key`` signs cursors; several API machines share one."""

    database: Database
    tenancy: TenancyService
    admission: AdmissionService
    trunks: TrunkService
    numbers: NumberService
    sites: SiteService
    pools: PoolService
    leases: Pools
    pool_rounds: PoolRounds
    nodes: NodeDirectory
    flows: CallFlowService
    cdr: CdrService
    live: LiveService
    messages: MessageService
    webhooks: WebhookService
    recordings: RecordingService
    audit: AuditService
    exports: ExportService
    export_schedules: ExportSchedules
    hook_secrets: HookSecrets
    privacy: PrivacyService
    secret_key: str
    #: Whose word about where a request came from is taken.
    proxies: tuple[Network, ...] = ()
    clock: Clock = field(default_factory=SystemClock)
