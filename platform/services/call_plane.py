"""What workers, monitors and those that ask for them use."""

from __future__ import annotations

from ..calls.target_hosts import TargetHosts, parse_hosts
from ..clock import SystemClock
from ..config import Settings
from ..db.engine import Database
from ..decisions.service import DecisionService, HookSecrets
from ..prompts.service import PromptService
from ..prompts.speech import open_speech
from ..trunks.service import GatewayDirectory
from .databases import build_database
from .outside import build_outgoing
from .sealing import build_secrets_box


def build_prompts(settings: Settings, database: Database) -> PromptService:
    """Speech: what renders texts and keeps them."""
    speech = open_speech(settings["DIALTRACE_SPEECH"])
    return PromptService(database, SystemClock(), speech=speech, convert=_telephone_wav)


def _telephone_wav(data: bytes, *, longest_s: float) -> tuple[bytes, int]:
    """Its numerics are loaded by the first sound: most processes never convert one."""
    from ..prompts.sound import telephone_wav

    return telephone_wav(data, longest_s=longest_s)


def build_gateways(settings: Settings, database: Database) -> GatewayDirectory:
    """The trunks that know us by a password, for the monitors."""
    return GatewayDirectory(database, build_secrets_box(settings))


def build_decisions(settings: Settings, *, most_per_host: int) -> DecisionService:
    """What asks clients' web hooks."""
    database, clock = build_database(settings, pool_size=8, statement_timeout_ms=2_000), SystemClock()
    client = build_outgoing(settings, most_per_host=most_per_host)
    return DecisionService(database, client, HookSecrets(database, clock), clock)


def build_target_hosts(settings: Settings) -> TargetHosts:
    """The operator's rule for the hosts of targets."""
    return TargetHosts(
        allowed=parse_hosts(settings["DIALTRACE_TARGET_HOSTS_ALLOWED"]),
        denied=parse_hosts(settings["DIALTRACE_TARGET_HOSTS_DENIED"]),
    )
