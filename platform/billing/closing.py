"""What comes by the day and the month: counts stocks, closes months into statements, and follows up what is not paid.

Every step of an account is one transaction that locks its row and moves its mark, so a run that is cut short, or two at
a time, do nothing twice.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from ..audit.service import Actor, record
from ..audit.service import NewEntry as NewAudit
from ..clock import Clock
from ..db.engine import Database
from ..events.service import NewEvent, append
from ..jobs.model import Done, Job, Outcome
from ..metrics import BILLING_OVERDUE
from ..tenancy import store as tenancy_store
from . import book_store, month_store, store
from .model import (
    DELIVERY,
    GIGABYTE,
    NUMBER,
    SEAT,
    STORAGE,
    Account,
    NewEntry,
    days_of,
    local_day,
    money_text,
    next_month,
)
from .months import Statement, Stock, Told, compose, month_lines, top_up
from .rating import post

CLOSE, ENFORCE = "billing.close_months", "billing.enforce"
#: After a month's end, so that records which a node brings home late are still of it.
CLOSE_AFTER = timedelta(hours=6)


class Closer:
    """The jobs."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock

    def close_months(self, job: Job) -> Outcome:
        """The job ``billing.close_months``: counts the stocks of days that are over, and closes months that are."""
        for agency_id, scope_id in self._accounts():
            job.go_on()
            while self.count_day(agency_id, scope_id):
                job.go_on()
            while self.close_month(agency_id, scope_id):
                job.go_on()
        return Done()

    def enforce(self, job: Job) -> Outcome:
        """The job ``billing.enforce``."""
        overdue = 0
        for agency_id, scope_id in self._accounts():
            job.go_on()
            overdue += self.follow_up(agency_id, scope_id) != "good"
        BILLING_OVERDUE.set(overdue)
        return Done()

    def _accounts(self) -> list[tuple[uuid.UUID, uuid.UUID]]:
        with self._database.system() as connection:
            return store.all_accounts(connection)

    # --- Days. ---

    def count_day(self, agency_id: uuid.UUID, scope_id: uuid.UUID) -> bool:
        """Counts what is there at the end of the account's next day, if that is over; whether it was."""
        with self._database.tenant(agency_id) as connection:
            account = store.find_account(connection, agency_id, scope_id, lock=True)
            if account is None or account.metered_until >= local_day(self._clock.now(), account.time_zone):
                return False
            day = account.metered_until
            clients = [account.client_id] if account.client_id else store.clients_without_account(connection, agency_id)
            begins, ends = day_bounds(day, account.time_zone)
            rows = [
                row
                for stock in month_store.stocks_of(connection, agency_id, clients, begins, ends)
                for row in _usage_rows(day, stock)
            ]
            month_store.insert_usage(connection, agency_id, rows)
            store.set_marks(connection, account, {"metered_until": day + timedelta(days=1)})
        return True

    # --- Months. ---

    def close_month(self, agency_id: uuid.UUID, scope_id: uuid.UUID) -> bool:
        """Closes the account's next month, if that is over; whether it was."""
        with self._database.tenant(agency_id) as connection:
            account = store.find_account(connection, agency_id, scope_id, lock=True)
            if account is None:
                return False
            month, now = account.closed_until, self._clock.now()
            ends = day_bounds(next_month(month), account.time_zone)[0]
            if now < ends + CLOSE_AFTER or account.metered_until < next_month(month):
                return False
            lines = charges_of_month(connection, account, month)
            if lines:
                post(connection, agency_id, [_month_entry(account, month, lines)], now)
            statement, place = make_statement(connection, account, month)
            month_store.insert_statement(
                connection,
                agency_id,
                {
                    "scope_id": scope_id, "month": month, "client_id": account.client_id, "place": place,
                    "currency": account.currency, "total": statement.total,
                    "closing_balance": statement.closing_balance, "document": dict(statement.document),
                    "made_at": now, "due_at": now + timedelta(days=account.due_days),
                },
            )  # fmt: skip
            store.set_marks(connection, account, {"closed_until": next_month(month)})
            data = {
                "account_id": str(scope_id), "month": f"{month:%Y-%m}", "total": money_text(statement.total),
                "currency": account.currency,
            }  # fmt: skip
            append(connection, agency_id, [NewEvent("statement.made", now, client_id=account.client_id, data=data)])
        return True

    # --- What is not paid. ---

    def follow_up(self, agency_id: uuid.UUID, scope_id: uuid.UUID) -> str:
        """Brings an account's state to what its balance says; the state it then has."""
        with self._database.tenant(agency_id) as connection:
            account = store.find_account(connection, agency_id, scope_id, lock=True)
            if account is None:
                return "good"
            now = self._clock.now()
            wanted = next_state(account, owes=owes(connection, account, now), now=now)
            if wanted == account.state or not _carry_over(connection, account, wanted, now):
                return account.state
            store.set_marks(connection, account, {"state": wanted, "state_at": now})
            data = {
                "account_id": str(scope_id), "state": wanted, "balance": money_text(account.balance),
                "currency": account.currency,
            }  # fmt: skip
            append(connection, agency_id, [NewEvent("account.changed", now, client_id=account.client_id, data=data)])
        return wanted


def next_state(account: Account, *, owes: bool, now: datetime) -> str:
    """Good as long as nothing is owed. What is overdue goes on as before for the days of grace; then what was chosen
    follows, and ends with the payment."""
    if not owes:
        return "good"
    if account.then_action == "keep":
        return "overdue"
    if account.state == "overdue" and now >= account.state_at + timedelta(days=account.grace_days):
        return "stopped"
    return account.state if account.state != "good" else "overdue"


def owes(connection: Connection, account: Account, now: datetime) -> bool:
    """Prepaid: the balance is below the lowest. Postpaid: a statement that is due is not paid."""
    if account.mode == "prepaid":
        return account.balance < account.lowest_balance
    due = month_store.last_due_statement(connection, account.agency_id, account.scope_id, now)
    if due is None:
        return False
    day = next_month(due["month"])
    paid = store.paid_since(connection, account.agency_id, account.scope_id, due["place"], day)
    return bool(due["closing_balance"] + paid < 0)


def _carry_over(connection: Connection, account: Account, state: str, now: datetime) -> bool:
    """Stops calls to the numbers of who does not pay, or lets them go on; whether the state may change. Who was
    suspended by somebody before is not ours to stop, nor to let go on later."""
    if state != "stopped" and account.state != "stopped":
        return True
    status = "suspended" if state == "stopped" else "active"
    agency_id, client_id = account.agency_id, account.client_id
    if client_id is None:
        agency = tenancy_store.find_agency(connection, agency_id)
        if agency is None or (status == "suspended" and agency.status == "suspended"):
            return False
        tenancy_store.update_agency_status(connection, agency_id, status, now)
    else:
        client = tenancy_store.find_client(connection, agency_id, client_id)
        if client is None or (status == "suspended" and client.status == "suspended"):
            return False
        tenancy_store.update_client_status(connection, agency_id, client_id, status, now)
    tenancy_store.refresh_directory(connection, agency_id)
    kind = "agency" if client_id is None else "client"
    record(
        connection,
        agency_id,
        NewAudit(
            actor=Actor(kind="platform", name="billing"),
            action=f"{kind}.{'suspended' if status == 'suspended' else 'restored'}",
            object_kind=kind,
            object_id=account.scope_id,
            client_id=client_id,
            details={"reason": "not paid" if status == "suspended" else "paid"},
        ),
    )
    return True


def day_bounds(day: date, zone: str) -> tuple[datetime, datetime]:
    """When a local day begins and ends, in UTC."""
    begins, ends = (
        datetime(one.year, one.month, one.day, tzinfo=ZoneInfo(zone)).astimezone(UTC)
        for one in (day, day + timedelta(days=1))
    )
    return begins, ends


def _usage_rows(day: date, stock: Any) -> list[dict[str, Any]]:
    counts = {
        STORAGE: (Decimal(stock["bytes"]) / GIGABYTE).quantize(Decimal("0.000001")),
        DELIVERY: Decimal(stock["deliveries"]),
        SEAT: Decimal(stock["seats"]),
    }
    return [
        {
            "client_id": stock["client_id"], "day": day, "meter": meter, "quantity": count, "source": "platform",
            "reference": f"dialtrace:{meter}:{day.isoformat()}", "note": "",
        }
        for meter, count in counts.items()
        if count
    ]  # fmt: skip


def charges_of_month(connection: Connection, account: Account, month: date, *, until: date | None = None) -> list[Any]:
    """Lines of what is charged by the month, the minimum included. ``until``: only the days before it are counted, as
    long as the month goes on."""
    agency_id, ends = account.agency_id, until or next_month(month)
    if account.price_book_id is None:
        return []
    last_moment = day_bounds(next_month(month), account.time_zone)[0] - timedelta(microseconds=1)
    number = book_store.edition_at(connection, agency_id, account.price_book_id, last_moment)
    edition = book_store.find_edition(connection, agency_id, account.price_book_id, number) if number else None
    if edition is None:
        return []
    from_day = max(month, local_day(account.created_at, account.time_zone))
    rows = month_store.number_days(
        connection, agency_id, account.client_id, book_id=edition.book_id, edition=edition.edition,
        zone=account.time_zone, from_day=from_day, until_day=ends,
    )  # fmt: skip
    numbers = [Stock(meter=NUMBER, prefix=row["prefix"], days=row["days"], most=row["most"]) for row in rows]
    used = month_store.usage_of_days(connection, agency_id, account.client_id, month, ends)
    lines = month_lines(edition, month, numbers, used)
    if until is None:
        of_calls = store.find_entries_of_days(connection, agency_id, account.scope_id, month, ends)
        charged = -sum((one.amount for one in of_calls if one.kind == "calls"), Decimal(0))
        lines += top_up(edition, charged + sum((line.amount for line in lines), Decimal(0)))
    return lines


def _month_entry(account: Account, month: date, lines: Sequence[Any]) -> NewEntry:
    return NewEntry(
        scope_id=account.scope_id,
        kind="month",
        day=month.replace(day=days_of(month)),
        amount=-sum((line.amount for line in lines), Decimal(0)),
        currency=account.currency,
        reference=f"dialtrace:month:{month:%Y-%m}",
        lines=[line.as_json() for line in lines],
    )


def make_statement(
    connection: Connection, account: Account, month: date, *, more_lines: Sequence[Any] = (), is_open: bool = False
) -> tuple[Statement, int]:
    """The statement of a month as the ledger is now, and the last place that it knows."""
    agency_id, scope_id = account.agency_id, account.scope_id
    before = month_store.last_statement(connection, agency_id, scope_id, month)
    place = store.last_place(connection, agency_id, scope_id)
    entries = store.find_unstated(
        connection, agency_id, scope_id, until_day=next_month(month), place=place,
        stated_day=next_month(before["month"]) if before else None, stated_place=before["place"] if before else 0,
    )  # fmt: skip
    agency = tenancy_store.find_agency(connection, agency_id)
    client = tenancy_store.find_client(connection, agency_id, account.client_id) if account.client_id else None
    assert agency is not None, "an account's agency is there"
    told = Told(
        month=month,
        currency=account.currency,
        time_zone=account.time_zone,
        agency={"id": str(agency_id), "name": agency.name},
        client=None if client is None else {"id": str(client.id), "name": client.name},
        opening_balance=before["closing_balance"] if before else Decimal(0),
        entries=entries,
        more_lines=more_lines,
        is_open=is_open,
    )
    return compose(told), place
