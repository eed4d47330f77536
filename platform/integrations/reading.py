"""Looks at what has changed in other systems, every few minutes, and says it of the calls that it came from.

Any number of processes: each look is claimed by one. A look that is cut short is done again from the same mark, which
changes nothing that is so already. Must not know any system.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from pydantic import ValidationError

from ..assessments.errors import AssessmentError, VersionMismatch
from ..assessments.model import Assessment
from ..assessments.service import AssessmentService
from ..clock import Clock, moment_text
from ..db.engine import Database
from ..metrics import INTEGRATION_READINGS, INTEGRATION_SALES
from ..secrets_box.errors import SecretsBoxError
from . import store
from .delivering import Deliverer
from .errors import Broken, ClaimLost, Later, Outcome
from .facts import nobody
from .model import bounded_rest_s
from .returning import Deal, Mark, SalesSettings, mark_of, next_mark, patch_of
from .trying import DryJournal
from .work import Work

log = structlog.get_logger("integrations")

LOOK_EVERY_S = 300.0
#: After a look that failed.
AGAIN_S = 600.0
#: Tries to change what somebody else changes at the same moment.
MOST_TRIES = 3
_TAKE = "SELECT * FROM dialtrace_integrations_take_readings(%s, %s)"
_SETTLE = """
UPDATE integration_readings SET mark = coalesce(%(mark)s::jsonb, mark), read_at = now(), fault = %(fault)s,
    detail = %(detail)s, due_at = now() + make_interval(secs => %(after_s)s), claim = NULL, claimed_until = NULL
WHERE agency_id = %(agency)s AND integration_id = %(integration)s AND claim = %(claim)s
"""
_BREAK = """
UPDATE integrations SET state = 'broken', reason = %(fault)s, detail = %(detail)s, state_at = now()
WHERE agency_id = %(agency)s AND id = %(integration)s AND state = 'active'
"""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """A look to be taken now; nobody else takes it meanwhile."""

    agency_id: UUID
    integration_id: UUID
    claim: UUID
    client_id: UUID
    system: str
    settings: Mapping[str, Any]
    sealed: bytes
    account: str
    mark: Mapping[str, Any]


class Reader:
    """Takes looks. ``deliverer`` lends its lines and its way with secrets."""

    def __init__(
        self, database: Database, clock: Clock, deliverer: Deliverer, *, every_s: float = LOOK_EVERY_S
    ) -> None:
        self._database = database
        self._clock = clock
        self._deliverer = deliverer
        self._assessments = AssessmentService(database, clock)
        self._every_s = every_s

    def take(self, most: int, *, hold_s: int) -> list[Look]:
        """Looks that are due; nobody else gets them for so long."""
        rows = self._database.look_up(_TAKE, (most, hold_s))
        return [Look(**{**row._mapping, "sealed": bytes(row._mapping["sealed"])}) for row in rows]

    def look(self, look: Look) -> None:
        """Takes one. Raises nothing that the other side or the network does; the database's errors, ClaimLost."""
        try:
            deals, mark, is_last = self._read(look)
            settings = self._settings(look)
            for deal in deals:
                self._say(look, settings, deal)
        except Outcome as outcome:
            self._settle_fault(look, outcome)
            return
        except (SecretsBoxError, ValidationError) as fault:
            log.error("an integration cannot be opened", integration=str(look.integration_id), fault=str(fault))
            detail = "its settings or secrets cannot be read by this release: set them anew"
            self._settle_fault(look, Broken("unreadable", detail))
            return
        kept = {"since": moment_text(mark.since), "skip": mark.skip}
        self._settle(look, mark=kept, after_s=self._every_s if is_last else 0.0)
        INTEGRATION_READINGS.labels(look.system, "done").inc()

    def _settings(self, look: Look) -> SalesSettings:
        settings = self._deliverer.system(look.system).settings.model_validate(look.settings)
        assert isinstance(settings, SalesSettings)
        return settings

    def _read(self, look: Look) -> tuple[Sequence[Deal], Mark, bool]:
        system = self._deliverer.system(look.system)
        assert system.read is not None
        settings, secrets = self._deliverer.open(system, look.integration_id, look.settings, look.sealed)
        line = self._deliverer.line(system, look.account, secrets, is_urgent=False)
        now, mark = self._clock.now(), mark_of(look.mark)
        work = Work(
            type="read", call=nobody(look.agency_id, look.client_id, look.integration_id, now), settings=settings,
            secrets=secrets, line=line, journal=DryJournal(), now=now,
            renewing=self._deliverer.renewer(system, look.agency_id, look.integration_id, line),
        )  # fmt: skip
        deals, is_last = system.read(work, mark)
        return deals, next_mark(mark, deals, is_last=is_last), is_last

    def _say(self, look: Look, settings: SalesSettings, deal: Deal) -> None:
        """Of the call that the deal came from; one that is of none of ours is passed over. Raises Later where somebody
        else changes what is said of the call all the time: the whole is read again, so that no sale is passed over."""
        with self._database.tenant(look.agency_id, look.client_id) as connection:
            call = store.find_call_of(
                connection, look.agency_id, look.client_id, look.integration_id, deal.call_id, deal.origins
            )
        if call is None:
            return
        call_id, started_at = call
        for _ in range(MOST_TRIES):
            found = self._assessments.find(look.agency_id, look.client_id, [call_id])
            before = found.get(call_id, Assessment(call_id, look.client_id))
            patch = patch_of(before, deal, settings)
            if not patch:
                return
            try:
                self._assessments.change(
                    look.agency_id, call_id, patch, client_id=look.client_id, started_at=started_at,
                    version=before.version,
                )  # fmt: skip
            except VersionMismatch:
                continue
            except AssessmentError as fault:
                log.warning("a deal is not said of its call", call=str(call_id), fault=str(fault))
                return
            if "sale" in patch:
                INTEGRATION_SALES.labels(look.system).inc()
            return
        detail = f"somebody else changed what is said of the call {call_id} at the same moment, {MOST_TRIES} times"
        raise Later("changed_meanwhile", detail, after_s=AGAIN_S)

    def _settle_fault(self, look: Look, outcome: Outcome) -> None:
        INTEGRATION_READINGS.labels(look.system, "failed").inc()
        after_s = bounded_rest_s(outcome.after_s) if isinstance(outcome, Later) else AGAIN_S
        self._settle(look, fault=outcome.word, detail=outcome.detail[:500], after_s=after_s)
        if isinstance(outcome, Broken):
            values = {"fault": outcome.word, "detail": outcome.detail[:500]}
            with self._database.tenant(look.agency_id, look.client_id) as connection:
                own = {"agency": look.agency_id, "integration": look.integration_id}
                connection.exec_driver_sql(_BREAK, values | own)

    def _settle(
        self, look: Look, *, after_s: float, mark: Mapping[str, Any] | None = None, fault: str | None = None,
        detail: str | None = None,
    ) -> None:  # fmt: skip
        values = {
            "mark": json.dumps(mark) if mark is not None else None, "fault": fault, "detail": detail,
            "after_s": after_s, "agency": look.agency_id, "integration": look.integration_id, "claim": look.claim,
        }  # fmt: skip
        with self._database.tenant(look.agency_id, look.client_id) as connection:
            if connection.exec_driver_sql(_SETTLE, values).rowcount != 1:
                raise ClaimLost
