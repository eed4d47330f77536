"""Rates calls as the event log tells of them, and anew when somebody asks.

In a job of its own, not in the transaction of the record: a record must never wait for, or fall with, a price. The log
already tells of every record and every revision of one, in an order without gaps, so the record plane does nothing for
it: an agency's place in its log moves in the transaction that writes charges, ledger and the calls' costs. Whatever
dies in between, dies whole; whatever is told twice is found rated. So each revision is rated exactly once in effect.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import Connection

from ..clock import Clock
from ..db.engine import Database
from ..events.service import NewEvent, append, last_position
from ..ids import new_id
from ..jobs.model import Done, GiveUp, Job, Outcome
from ..metrics import BILLING_CALLS, BILLING_DUE, BILLING_UNPRICED
from . import charge_store, rating_store, store
from .errors import BillingError
from .model import Account, NewEntry, Rerating, first_of, line_of, local_day, money_text, next_month
from .rating_store import Priced

log = structlog.get_logger(__name__)

RATE, RERATE = "billing.rate", "billing.rerate"
#: Positions of a log that one transaction rates: calls of an agency wait for nobody else's for longer than that takes.
MOST_POSITIONS = 20_000
#: Records that were revised while they were priced: such a batch begins anew.
TRIES = 5


class RevisedMeanwhile(BillingError):
    """Records are being revised faster than they can be rated."""


class Rater:
    """The jobs."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def rate(self, job: Job) -> Outcome:
        """The job ``billing.rate``."""
        self.run(job.go_on)
        return Done()

    def run(self, go_on: Callable[[], None] = lambda: None) -> int:
        """Everything that is told by now; how many calls. Raises the errors of the database."""
        with self._database.system() as connection:
            agencies = store.agencies_to_rate(connection)
        BILLING_DUE.set(sum(behind for _, behind in agencies))
        done = 0
        for agency_id, _ in agencies:
            while True:
                go_on()
                rated, has_more = self.rate_once(agency_id)
                done += rated
                if not has_more:
                    break
        return done

    def rate_once(self, agency_id: uuid.UUID, most: int = MOST_POSITIONS) -> tuple[int, bool]:
        """The next stretch of one agency's log: how many calls were rated, and whether there is more."""
        for _ in range(TRIES):
            with suppress(_NotCurrent), self._database.tenant(agency_id) as connection:
                return self._rate_stretch(connection, agency_id, most)
        raise RevisedMeanwhile

    def _rate_stretch(self, connection: Connection, agency_id: uuid.UUID, most: int) -> tuple[int, bool]:
        after = rating_store.take_turn(connection, agency_id)
        if after is None:
            return 0, False
        last = last_position(connection, agency_id)
        until = min(last, after + most)
        if until <= after:
            return 0, False
        batch = new_id()
        priced = rating_store.price_told(connection, agency_id, after=after, until=until, batch=batch)
        _must_be_current(priced)
        book_lines(connection, agency_id, priced, batch, f"dialtrace:log:{after}-{until}", self._clock.now())
        rating_store.move_place(connection, agency_id, until)
        return priced.calls, until < last

    # --- Anew. ---

    def rerate(self, job: Job) -> Outcome:
        """The job ``billing.rerate``: client by client and month by month, each in one transaction."""
        agency_id, rerating_id = uuid.UUID(str(job.args["agency_id"])), uuid.UUID(str(job.args["rerating_id"]))
        with self._database.tenant(agency_id) as connection:
            found = charge_store.find_rerating(connection, agency_id, rerating_id)
            if found is None or found[0].state in {"done", "failed"}:
                return GiveUp("there is nothing to rate anew")
            charge_store.update_rerating(connection, agency_id, rerating_id, {"state": "running"})
            asked, done = found
            accounts = store.find_accounts(connection, agency_id)
            clients = _clients_of(connection, agency_id, asked)
        for client_id in clients:
            if client_id in done:
                continue
            job.go_on()
            self._rerate_client(asked, client_id, _zone_of(accounts, client_id))
        with self._database.tenant(agency_id) as connection:
            charge_store.update_rerating(
                connection, agency_id, rerating_id, {"state": "done", "finished_at": self._clock.now()}
            )
        return Done()

    def _rerate_client(self, asked: Rerating, client_id: uuid.UUID, zone: str) -> None:
        """All of one client's months, or none: then the client is done."""
        for _ in range(TRIES):
            with suppress(_NotCurrent), self._database.tenant(asked.agency_id) as connection:
                self._rerate_months(connection, asked, client_id, zone)
                return
        raise RevisedMeanwhile

    def _rerate_months(self, connection: Connection, asked: Rerating, client_id: uuid.UUID, zone: str) -> None:
        agency_id = asked.agency_id
        rating_store.take_turn(connection, agency_id)
        found = charge_store.find_rerating(connection, agency_id, asked.id, lock=True)
        assert found is not None, "it was there a moment ago"
        current, done = found
        calls, changed = current.calls, current.changed
        difference = {side: dict(sums) for side, sums in current.difference.items()}
        save = connection.begin_nested() if asked.dry_run else None
        for from_at, until_at in months_between(asked.from_at, asked.until_at, zone):
            batch = new_id()
            priced = rating_store.price_span(
                connection, agency_id, client_id, from_at=from_at, until_at=until_at, batch=batch,
                book=(asked.price_book_id, asked.side) if asked.price_book_id else None,
            )  # fmt: skip
            _must_be_current(priced)
            calls, changed = calls + priced.calls, changed + priced.changed
            add_differences(difference, priced.lines)
            if not asked.dry_run:
                reference = f"dialtrace:rerating:{asked.id}:{client_id}:{from_at:%Y-%m-%d}"
                book_lines(connection, agency_id, priced, batch, reference, self._clock.now())
        if save is not None:
            save.rollback()
        told = {"calls": calls, "changed": changed, "difference": difference, "done_clients": [*done, client_id]}
        charge_store.update_rerating(connection, agency_id, asked.id, told)


def _clients_of(connection: Connection, agency_id: uuid.UUID, asked: Rerating) -> list[uuid.UUID]:
    return [asked.client_id] if asked.client_id else store.client_ids(connection, agency_id)


def _zone_of(accounts: Sequence[Account], client_id: uuid.UUID) -> str:
    """Whose months count: the client's account's, else the agency's."""
    zones = {account.scope_id: account.time_zone for account in accounts}
    own = zones.get(client_id)
    return own or next((account.time_zone for account in accounts if account.client_id is None), "UTC")


class _NotCurrent(Exception):
    """Ends a transaction whose calls were revised while they were priced."""


def _must_be_current(priced: Priced) -> None:
    if not priced.is_current:
        raise _NotCurrent


def months_between(from_at: datetime, until_at: datetime, zone: str) -> Iterator[tuple[datetime, datetime]]:
    """A span in pieces that end with the months of a zone: packages are counted by the month."""
    at = from_at
    while at < until_at:
        month = next_month(first_of(local_day(at, zone)))
        ends = datetime(month.year, month.month, 1, tzinfo=ZoneInfo(zone))
        yield at, min(ends, until_at)
        at = ends


def add_differences(sums: dict[str, dict[str, str]], lines: Sequence[Mapping[str, Any]]) -> None:
    """Adds what lines come to, by side and currency."""
    for line in lines:
        of_side = sums.setdefault(line["side"], {})
        before = Decimal(of_side.get(line["currency"], "0"))
        of_side[line["currency"]] = money_text(before + Decimal(line["amount"]))


def entries_of(lines: Sequence[Mapping[str, Any]], batch: uuid.UUID, reference: str) -> list[NewEntry]:
    """The movements that a batch of charges makes: one for each payer and day."""
    found: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for line in lines:
        found.setdefault((line["scope_id"], line["day"]), []).append(line)
    return [
        NewEntry(
            scope_id=uuid.UUID(scope_id),
            kind="calls",
            day=date.fromisoformat(day),
            amount=-sum((Decimal(line["amount"]) for line in of_day), Decimal(0)),
            currency=of_day[0]["currency"],
            reference=f"{reference}:{day}",
            batch=batch,
            lines=[line_of(line).as_json() for line in of_day],
        )
        for (scope_id, day), of_day in sorted(found.items())
    ]


def book_lines(
    connection: Connection, agency_id: uuid.UUID, priced: Priced, batch: uuid.UUID, reference: str, now: datetime
) -> None:
    """Moves the money of a batch, and tells of balances that fell below an alarm."""
    BILLING_CALLS.inc(priced.changed)
    unpriced = sum(line["count"] for line in priced.lines if line["price"] is None)
    if unpriced > 0:
        BILLING_UNPRICED.inc(unpriced)
        log.warning("calls have parts without a price", agency=str(agency_id), parts=unpriced)
    post(connection, agency_id, entries_of(priced.lines, batch, reference), now)


def post(connection: Connection, agency_id: uuid.UUID, entries: Sequence[NewEntry], now: datetime) -> None:
    """Adds movements to the ledger, and tells of balances that fell below an alarm."""
    moved = store.post_entries(connection, agency_id, entries)
    fallen = [row for row in moved if row["amount"] < 0]
    if not fallen:
        return
    accounts = {account.scope_id: account for account in store.find_accounts(connection, agency_id)}
    events = []
    for row in fallen:
        account = accounts[row["scope_id"]]
        before = row["balance"] - row["amount"]
        for alarm in account.alarms:
            if row["balance"] < alarm <= before:
                events.append(balance_low(account, alarm, row["balance"], now))
    append(connection, agency_id, events)


def balance_low(account: Account, alarm: Decimal, balance: Decimal, now: datetime) -> NewEvent:
    data = {
        "account_id": str(account.scope_id), "alarm": money_text(alarm), "balance": money_text(balance),
        "currency": account.currency,
    }  # fmt: skip
    return NewEvent("balance.low", now, client_id=account.client_id, data=data)
