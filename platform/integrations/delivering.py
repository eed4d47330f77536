"""Makes one delivery: opens the secrets, reads the call's facts, asks the system, and says what became of it.

What holds for every system is decided here: calls that test a number are told to nobody, and nothing goes to an
advertising system without consent on the record. Knows nothing of processes, nor of the order of deliveries.
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import structlog
from pydantic import ValidationError

from ..clock import Clock, moment_text
from ..db.engine import Database
from ..outgoing.service import OutgoingClient
from ..secrets_box.errors import SecretsBoxError
from ..secrets_box.model import SecretsBox
from .accounts import AccountLine, Accounts, hide
from .claims import CallJournal, Claims, Result
from .errors import Broken, ClaimLost, GiveUp, Later, NothingToDo, Outcome, Retry
from .fact_store import read_facts
from .facts import CallFacts
from .model import Claimed, Exchange, Schedule, System, Values, Verdict, bounded_rest_s
from .registry import SYSTEMS
from .store import lock_secrets
from .together import gathering_s, tell_together
from .work import Work

log = structlog.get_logger("integrations")

#: A rest that a vendor asks for by 429 holds for its whole account, also for what others send.
_RESTING = frozenset({"rate_limited"})
#: Somebody else asks for new secrets: so soon they are there.
RENEWED_AFTER_S = 2.0


def secret_purpose(integration_id: UUID) -> str:
    """What an integration's secrets are sealed for."""
    return f"integration {integration_id}"


def exchange_purpose(delivery_id: UUID) -> str:
    """What the exchanges of a delivery are sealed for."""
    return f"integration exchange {delivery_id}"


def seal_secrets(box: SecretsBox, integration_id: UUID, secrets: Values) -> bytes:
    """As they are stored."""
    return box.seal(secrets.model_dump_json().encode(), purpose=secret_purpose(integration_id))


def open_secrets(box: SecretsBox, system: System, integration_id: UUID, sealed: bytes) -> Values:
    """Raises the errors of `secrets_box`, ValidationError."""
    return system.secrets.model_validate_json(box.open(sealed, purpose=secret_purpose(integration_id)))


def secret_texts(secrets: Values) -> list[str]:
    """The values that must never be shown; a short one is none, and would blot out words."""
    found = [str(value) for value in secrets.model_dump(mode="json").values() if value is not None]
    # Of an address that is a secret the last piece is what makes it one: others repeat it alone.
    found += [urlsplit(one).path.rstrip("/").rpartition("/")[2] for one in found if one.startswith(("http:", "https:"))]
    return sorted((one for one in found if len(one) >= 6), key=len, reverse=True)


def may_be_told(system: System, call: CallFacts) -> None:
    """What holds whatever a system does. Raises GiveUp, NothingToDo."""
    if call.is_test:
        raise NothingToDo("test_call", "it was placed by the platform to prove its number")
    if system.is_advertising and not call.may_advertise:
        why = "its visitor is not known" if call.visit is None else f"its visitor's consent is {call.visit.consent}"
        raise GiveUp("no_consent", f"{why}; nothing goes to an advertising system without consent on the record")


def judge(system: System, works: Sequence[Work]) -> list[Outcome | None]:
    """Tells the system of calls, as far as it may be told; what came in between for each, None: nothing."""
    outcomes = [_barred(system, one.call) for one in works]
    free = [at for at, outcome in enumerate(outcomes) if outcome is None]
    if system.together is not None:
        told = tell_together(system.together, [works[at] for at in free])
    else:
        told = [_told(system, works[at]) for at in free]
    for at, outcome in zip(free, told, strict=True):
        outcomes[at] = outcome
    return outcomes


def _barred(system: System, call: CallFacts) -> Outcome | None:
    try:
        may_be_told(system, call)
    except Outcome as outcome:
        return outcome
    return None


def _told(system: System, work: Work) -> Outcome | None:
    assert system.deliver is not None
    try:
        system.deliver(work)
    except Outcome as outcome:
        return outcome
    return None


class Deliverer:
    """Makes claimed deliveries. Any number of threads or greenlets use it at a time."""

    def __init__(
        self, database: Database, client: OutgoingClient, box: SecretsBox, clock: Clock, schedule: Schedule,
        systems: Mapping[str, System] = SYSTEMS,
    ) -> None:  # fmt: skip
        self._database = database
        self._client = client
        self._box = box
        self._clock = clock
        self._accounts = Accounts(database)
        self._systems = systems
        self.schedule = schedule
        self.claims = Claims(database)

    def groups(self, taken: Sequence[Claimed]) -> list[list[Claimed]]:
        """What is told together, and each of the others by itself."""
        groups: dict[UUID, list[Claimed]] = {}
        for one in taken:
            system = self._systems.get(one.system)
            is_alone = system is None or system.together is None
            groups.setdefault(one.id if is_alone else one.integration_id, []).append(one)
        return list(groups.values())

    def deliver(self, group: Sequence[Claimed]) -> list[Result]:
        """One try of a group. Raises nothing that the other side or the network does; ClaimLost, and the database's
        errors."""
        first = group[0]
        system = self._systems.get(first.system)
        if system is None:
            verdict = Verdict("broken", reason="unknown_system", detail="this release does not know it")
            return [Result(one, verdict) for one in group]
        try:
            settings, secrets = self.open(system, first.integration_id, first.settings, first.sealed)
        except (SecretsBoxError, ValidationError) as fault:
            log.error("an integration cannot be opened", integration=str(first.integration_id), fault=str(fault))
            detail = "its settings or secrets cannot be read by this release: set them anew"
            return [Result(one, Verdict("broken", reason="unreadable", detail=detail)) for one in group]
        results, ready, works = [], [], []
        for delivery in group:
            work = self._prepared(system, delivery, settings, secrets)
            if isinstance(work, Work):
                ready.append(delivery)
                works.append(work)
            else:
                results.append(Result(delivery, work))
        chances: dict[int, float] = {}
        for delivery, work, outcome in zip(ready, works, judge(system, works), strict=True):
            # Those of one request come back together, others do not.
            chance = chances.setdefault(id(outcome), random.random())  # noqa: S311
            results.append(self._result(delivery, work, self._verdict(delivery, outcome, chance)))
        return results

    def _prepared(self, system: System, delivery: Claimed, settings: Values, secrets: Values) -> Work | Verdict:
        """What it is delivered with; or that there is nothing to deliver, now or at all."""
        now = self._clock.now()
        wait_s = gathering_s(system.together, delivery.occurred_at.timestamp(), now.timestamp())
        if wait_s > 0 and not delivery.is_late:
            return Verdict("later", wait_s, "gathering", "it is told together with other calls of these minutes")
        with self._database.tenant(delivery.agency_id) as connection:
            call = read_facts(connection, delivery.agency_id, delivery.call_id, around=delivery.occurred_at)
        if call is None:
            return Verdict("given_up", reason="no_call", detail="the call is no more")
        line = self.line(system, delivery.account, secrets, is_urgent=delivery.type == "call.ringing")
        return Work(
            type=delivery.type, call=call, settings=settings, secrets=secrets, line=line,
            journal=CallJournal(self._database, delivery), now=now, is_late=delivery.is_late,
            renewing=self.renewer(system, delivery.agency_id, delivery.integration_id, line),
        )  # fmt: skip

    def _result(self, delivery: Claimed, work: Work, verdict: Verdict) -> Result:
        """Others repeat what they were told: no secret of ours stands in what is kept."""
        secrets = work.line.secrets
        verdict = replace(verdict, detail=hide(verdict.detail or "", secrets))
        return Result(delivery, verdict, [self._sealed(delivery, one, secrets) for one in work.line.exchanges])

    def system(self, name: str) -> System:
        """Raises KeyError."""
        return self._systems[name]

    def open(
        self, system: System, integration_id: UUID, settings: Mapping[str, Any], sealed: bytes
    ) -> tuple[Values, Values]:
        """Settings and secrets, read. Raises the errors of `secrets_box`, ValidationError."""
        return system.settings.model_validate(settings), open_secrets(self._box, system, integration_id, sealed)

    def line(self, system: System, account: str, secrets: Values, *, is_urgent: bool) -> AccountLine:
        """A way to the other side that keeps to its rate."""
        return AccountLine(
            client=self._client, accounts=self._accounts, clock=self._clock, system=system.name, account=account,
            rate=system.rate, timeout_s=self.schedule.timeout_s, secrets=secret_texts(secrets), is_urgent=is_urgent,
        )  # fmt: skip

    def _verdict(self, delivery: Claimed, outcome: Outcome | None, chance: float) -> Verdict:
        """``chance``: 0 to 1, so that many do not come back in the same moment."""
        if outcome is None:
            return Verdict("done")
        if isinstance(outcome, NothingToDo):
            return Verdict("done", reason=outcome.word, detail=outcome.detail)
        if isinstance(outcome, Later):
            if outcome.word in _RESTING:
                self._accounts.rest(delivery.account, outcome.after_s)
            wait_s = bounded_rest_s(outcome.after_s) * (1 + chance / 2)
            return Verdict("later", wait_s, outcome.word, outcome.detail)
        if isinstance(outcome, Retry):
            return self.schedule.after(outcome, tries=delivery.tries, chance=chance)
        if isinstance(outcome, Broken):
            return Verdict("broken", 0.0, outcome.word, outcome.detail)
        return Verdict("given_up", reason=outcome.word, detail=outcome.detail)

    def _sealed(self, delivery: Claimed, exchange: Exchange, secrets: Sequence[str]) -> dict[str, Any]:
        """As it is kept: what was said may tell of the caller. Secrets that were new in it are known by now."""
        said = {"sent": hide(exchange.sent, secrets), "answered": hide(exchange.answered, secrets)}
        sealed = self._box.seal(json.dumps(said).encode(), purpose=exchange_purpose(delivery.id))
        return {
            "at": moment_text(exchange.at), "ms": exchange.ms, "what": exchange.what, "status": exchange.status,
            "fault": exchange.fault, "said": base64.b64encode(sealed).decode(),
        }  # fmt: skip

    def renewer(
        self, system: System, agency_id: UUID, integration_id: UUID, line: AccountLine
    ) -> Callable[[Callable[[Values], Values]], Values]:
        """What renews secrets: one process at a time for an integration (a refresh token is good for one use). Whoever
        comes second comes again in a moment, and finds what the first was given: a waiter would keep a connection with
        the database from others while the other side thinks."""

        def renew(ask: Callable[[Values], Values]) -> Values:
            with self._database.tenant(agency_id) as connection:
                if not lock_secrets(connection, integration_id, wait=False):
                    raise Later("renewing", "its tokens are being renewed at this moment", after_s=RENEWED_AFTER_S)
                row = connection.exec_driver_sql(
                    "SELECT sealed FROM integrations WHERE agency_id = %s AND id = %s", (agency_id, integration_id)
                ).first()
                if row is None:
                    raise ClaimLost
                fresh = ask(open_secrets(self._box, system, integration_id, bytes(row.sealed)))
                connection.exec_driver_sql(
                    "UPDATE integrations SET sealed = %s WHERE agency_id = %s AND id = %s",
                    (seal_secrets(self._box, integration_id, fresh), agency_id, integration_id),
                )
            line.secrets = [*line.secrets, *secret_texts(fresh)]
            return fresh

        return renew
