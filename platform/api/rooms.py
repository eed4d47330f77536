"""What the API's resources may use: the use cases of the rooms below, built and handed in by `services`."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..admission.service import AdmissionService
from ..calls.nodes import NodeDirectory
from ..calls.service import CallFlowService
from ..cdr.service import CdrService
from ..clock import Clock, SystemClock
from ..db.engine import Database
from ..decisions.service import HookSecrets
from ..live.service import LiveService
from ..numbers.service import NumberService
from ..recording.service import RecordingService
from ..tenancy.service import TenancyService
from ..trunks.service import TrunkService


@dataclass(frozen=True, kw_only=True)
class ApiServices:
    """Everything that the API's resources use. ``secret_key`` signs cursors; several API machines share one."""

    database: Database
    tenancy: TenancyService
    admission: AdmissionService
    trunks: TrunkService
    numbers: NumberService
    nodes: NodeDirectory
    flows: CallFlowService
    cdr: CdrService
    live: LiveService
    recordings: RecordingService
    hook_secrets: HookSecrets
    secret_key: str
    clock: Clock = field(default_factory=SystemClock)
