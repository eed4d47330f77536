"""Use cases of money: price books, accounts, payments, usage, statements, rating anew. Rating itself is `rating`'s,
what comes by the day and the month `closing`'s."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import sqlalchemy.exc
from sqlalchemy import Connection, RowMapping

from ..clock import Clock
from ..db.engine import Database
from ..jobs.model import LONG, Request
from ..jobs.service import JobQueue
from ..paging import Page, cut
from ..tenancy import store as tenancy_store
from ..tenancy.errors import ClientUnknown
from ..tenancy.model import check_time_zone
from . import charge_store, month_store, store
from .books import find_book
from .closing import charges_of_month, make_statement
from .errors import (
    AccountUnknown,
    RatingUnknown,
    ReferenceTaken,
    StatementUnknown,
    ValueRefused,
    VersionMismatch,
)
from .model import (
    Account,
    AccountValues,
    Book,
    Entry,
    EntryKind,
    NewEntry,
    Rerating,
    check_amount,
    check_currency,
    check_meter,
    check_reference,
    first_of,
    local_day,
    next_month,
)
from .months import usage_by_day
from .rating import RERATE, post

MAX_PAGE = 500
MOST_ALARMS = 10
MOST_DAYS_ASKED = 400
MOST_USAGE = 1_000


@dataclass(frozen=True, kw_only=True)
class Margin:
    """What a call costs its agency and what is left to it; ``margin`` None: the two are in different currencies."""

    cost: Decimal
    currency: str
    margin: Decimal | None


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Something that was used and that the platform does not count itself. The same reference of a client again is the
    same usage."""

    client_id: UUID
    day: date
    meter: str
    quantity: Decimal
    reference: str
    note: str = ""


class BillingService:
    """Money of every agency in one database."""

    def __init__(self, database: Database, clock: Clock, jobs: JobQueue) -> None:
        self._database = database
        self._clock = clock
        self._jobs = jobs

    # --- Accounts. ---

    def get_account(self, agency_id: UUID, client_id: UUID | None) -> Account:
        """A client's account or the agency's own. Raises AccountUnknown."""
        with self._database.tenant(agency_id, client_id) as connection:
            return _account(connection, agency_id, client_id or agency_id)

    def list_accounts(self, agency_id: UUID) -> Sequence[Account]:
        """The agency's own account first, then its clients'."""
        with self._database.tenant(agency_id) as connection:
            return store.find_accounts(connection, agency_id)

    def open_account(
        self, agency_id: UUID, client_id: UUID | None, values: AccountValues, *, currency: str, time_zone: str | None
    ) -> Account:
        """From now on its calls are rated. Opening it again is refused: currency and time zone of an account stay.
        Raises ValueRefused, BookUnknown, ClientUnknown."""
        check_currency(currency)
        with self._database.tenant(agency_id) as connection:
            zone = check_time_zone(time_zone or _zone(connection, agency_id, client_id))
            if store.find_account(connection, agency_id, client_id or agency_id) is not None:
                raise ValueRefused("currency", "was said when the account was opened; change the account instead")
            _check_values(connection, agency_id, client_id, values, currency)
            now = self._clock.now()
            return store.insert_account(
                connection, agency_id, client_id, values, currency=currency, time_zone=zone, now=now
            )

    def change_account(
        self, agency_id: UUID, client_id: UUID | None, changes: Mapping[str, Any], *, version: int
    ) -> Account:
        """``changes``: members of AccountValues. Raises AccountUnknown, VersionMismatch, ValueRefused, BookUnknown."""
        with self._database.tenant(agency_id) as connection:
            account = store.find_account(connection, agency_id, client_id or agency_id, lock=True)
            if account is None:
                raise AccountUnknown
            if account.version != version:
                raise VersionMismatch(account.version)
            names = [one.name for one in fields(AccountValues)]
            values = AccountValues(**{name: changes.get(name, getattr(account, name)) for name in names})
            _check_values(connection, agency_id, client_id, values, account.currency)
            columns = {name: getattr(values, name) for name in names} | {"alarms": list(values.alarms)}
            return store.update_account(connection, account, columns, self._clock.now())

    # --- The ledger. ---

    def book_entry(
        self, agency_id: UUID, client_id: UUID | None, *, kind: EntryKind, amount: Decimal, reference: str, note: str
    ) -> Entry:
        """A payment or credit (above 0), or a correction (either way). The same reference again is the same movement.
        Raises AccountUnknown, ValueRefused, ReferenceTaken."""
        check_reference(reference)
        check_amount("amount", amount, least=-abs(amount) if kind == "correction" else Decimal("0.000001"))
        if not amount:
            raise ValueRefused("amount", "must not be 0")
        with self._database.tenant(agency_id) as connection:
            account = store.find_account(connection, agency_id, client_id or agency_id, lock=True)
            if account is None:
                raise AccountUnknown
            found = store.find_by_reference(connection, agency_id, account.scope_id, reference)
            if found is None:
                now = self._clock.now()
                new = NewEntry(
                    scope_id=account.scope_id, kind=kind, day=local_day(now, account.time_zone), amount=amount,
                    currency=account.currency, reference=reference, note=note,
                )  # fmt: skip
                post(connection, agency_id, [new], now)
                found = store.find_by_reference(connection, agency_id, account.scope_id, reference)
            assert found is not None, "it was added just now"
            if (found.kind, found.amount) != (kind, amount):
                raise ReferenceTaken
            return found

    def list_entries(
        self, agency_id: UUID, client_id: UUID | None, *, limit: int = 50, after: tuple[Any, ...] | None = None
    ) -> Page[Entry]:
        """An account's movements, the latest first. Raises AccountUnknown."""
        limit = max(1, min(limit, MAX_PAGE))
        with self._database.tenant(agency_id, client_id) as connection:
            account = _account(connection, agency_id, client_id or agency_id)
            found = store.find_entries(
                connection, agency_id, account.scope_id, limit=limit + 1, before=after[0] if after else None
            )
        return cut(found, limit, "place")

    # --- Usage. ---

    def report_usage(self, agency_id: UUID, reported: Sequence[Usage]) -> int:
        """Adds usage that the platform does not count itself; how much of it was new. All or nothing. Raises
        ValueRefused, ClientUnknown, ReferenceTaken."""
        for place, one in enumerate(reported):
            where = f"usage/{place}"
            check_meter(f"{where}/meter", one.meter)
            check_reference(one.reference)
            check_amount(f"{where}/quantity", one.quantity, least=Decimal("0.000001"))
        rows = [{**vars(one), "source": "reported"} for one in reported]
        try:
            with self._database.tenant(agency_id) as connection:
                count = month_store.insert_usage(connection, agency_id, rows)
                if count < len(rows):
                    _check_same(connection, agency_id, reported)
        except sqlalchemy.exc.IntegrityError as error:
            raise ClientUnknown("the agency has no such client") from error
        return count

    def usage(self, agency_id: UUID, client_id: UUID | None, from_day: date, until_day: date) -> list[dict[str, Any]]:
        """What was used on each day, of a client or (None) as the agency pays for it. Raises AccountUnknown,
        ValueRefused."""
        if not 0 < (until_day - from_day).days <= MOST_DAYS_ASKED:
            raise ValueRefused("until", f"must come after from, and at most {MOST_DAYS_ASKED} days")
        with self._database.tenant(agency_id, client_id) as connection:
            account = _account(connection, agency_id, client_id or agency_id)
            entries = store.find_entries_of_days(connection, agency_id, account.scope_id, from_day, until_day)
            used = month_store.usage_of_days(connection, agency_id, client_id, from_day, until_day)
        return usage_by_day(entries, used, from_day=from_day, until_day=until_day)

    # --- Statements. ---

    def statement(self, agency_id: UUID, client_id: UUID | None, month: date) -> Mapping[str, Any]:
        """A month's statement: as it was told, or of a month that goes on as it is by now. Raises AccountUnknown,
        StatementUnknown."""
        month = first_of(month)
        with self._database.tenant(agency_id, client_id) as connection:
            account = _account(connection, agency_id, client_id or agency_id)
            kept = month_store.find_statement(connection, agency_id, account.scope_id, month)
        if kept is not None:
            document: Mapping[str, Any] = kept["document"]
            return document
        today = local_day(self._clock.now(), account.time_zone)
        if not account.closed_until <= month <= first_of(today):
            raise StatementUnknown
        # Prices are the agency's to read; what leaves is the account's alone.
        with self._database.tenant(agency_id) as connection:
            until = min(next_month(month), today)
            lines = charges_of_month(connection, account, month, until=until) if until > month else []
            statement, _ = make_statement(connection, account, month, more_lines=lines, is_open=True)
        return statement.document

    def list_statements(
        self, agency_id: UUID, client_id: UUID | None, *, limit: int = 50, after: tuple[Any, ...] | None = None
    ) -> Page[RowMapping]:
        """Months that are closed, the latest first. Raises AccountUnknown."""
        limit = max(1, min(limit, MAX_PAGE))
        with self._database.tenant(agency_id, client_id) as connection:
            account = _account(connection, agency_id, client_id or agency_id)
            before = date.fromisoformat(after[0]) if after else None
            found = month_store.find_statements(connection, agency_id, account.scope_id, limit=limit + 1, before=before)
        more = len(found) > limit
        return Page(items=found[:limit], next=(found[limit - 1]["month"].isoformat(),) if more else None)

    # --- Calls. ---

    def margins(self, agency_id: UUID, calls: Sequence[UUID]) -> dict[UUID, Margin]:
        """What calls cost the agency, and what is left of their prices; nothing of calls that cost it nothing known."""
        if not calls:
            return {}
        with self._database.tenant(agency_id) as connection:
            rows = charge_store.charges_of(connection, agency_id, calls)
        prices = {row["call_id"]: row for row in rows if row["side"] == "client"}
        found = {}
        for row in rows:
            if row["side"] == "agency":
                price = prices.get(row["call_id"])
                alike = price is not None and price["currency"] == row["currency"]
                margin = price["amount"] - row["amount"] if price is not None and alike else None
                found[row["call_id"]] = Margin(cost=row["amount"], currency=row["currency"], margin=margin)
        return found

    def charges(self, agency_id: UUID, client_id: UUID | None, call_id: UUID) -> Sequence[RowMapping]:
        """Every charge and reversal of a call; a client sees its own side."""
        with self._database.tenant(agency_id, client_id) as connection:
            return charge_store.charges_of_call(connection, agency_id, call_id)

    def begin_rerating(
        self,
        agency_id: UUID,
        *,
        client_id: UUID | None,
        price_book_id: UUID | None,
        from_at: datetime,
        until_at: datetime,
        dry_run: bool,
    ) -> Rerating:
        """A job rates the calls of a span anew: by the books that their accounts have, or by another. Raises
        ValueRefused, BookUnknown."""
        if from_at >= until_at:
            raise ValueRefused("until", "must come after from")
        with self._database.tenant(agency_id) as connection:
            side = "both"
            if price_book_id is not None:
                book = find_book(connection, agency_id, price_book_id)
                side = book.side
                _check_currencies(connection, agency_id, client_id, book)
            made = charge_store.insert_rerating(
                connection,
                agency_id,
                {
                    "client_id": client_id, "side": side, "price_book_id": price_book_id, "from_at": from_at,
                    "until_at": until_at, "dry_run": dry_run,
                },
            )  # fmt: skip
            args: dict[str, str | int] = {"agency_id": str(agency_id), "rerating_id": str(made.id)}
            self._jobs.defer(connection, Request(name=RERATE, args=args, lock=f"{RERATE}.{agency_id}", lane=LONG))
        return made

    def get_rerating(self, agency_id: UUID, rerating_id: UUID) -> Rerating:
        """Raises RatingUnknown."""
        with self._database.tenant(agency_id) as connection:
            found = charge_store.find_rerating(connection, agency_id, rerating_id)
        if found is None:
            raise RatingUnknown
        return found[0]

    def list_reratings(
        self, agency_id: UUID, *, limit: int = 50, after: tuple[Any, ...] | None = None
    ) -> Page[Rerating]:
        """What was rated anew, the latest first."""
        limit = max(1, min(limit, MAX_PAGE))
        with self._database.tenant(agency_id) as connection:
            found = charge_store.find_reratings(
                connection, agency_id, limit=limit + 1, before=after[0] if after else None
            )
        return cut(found, limit, "id")


def _account(connection: Connection, agency_id: UUID, scope_id: UUID) -> Account:
    found = store.find_account(connection, agency_id, scope_id)
    if found is None:
        raise AccountUnknown
    return found


def _zone(connection: Connection, agency_id: UUID, client_id: UUID | None) -> str:
    if client_id is None:
        return "UTC"
    client = tenancy_store.find_client(connection, agency_id, client_id)
    if client is None:
        raise ClientUnknown(f"there is no client {client_id}")
    return client.time_zone


def _check_values(
    connection: Connection, agency_id: UUID, client_id: UUID | None, values: AccountValues, currency: str
) -> None:
    check_amount("lowest_balance", values.lowest_balance, least=-abs(values.lowest_balance))
    if len(values.alarms) > MOST_ALARMS:
        raise ValueRefused("alarms", f"has more than {MOST_ALARMS} balances")
    for place, alarm in enumerate(values.alarms):
        check_amount(f"alarms/{place}", alarm, least=-abs(alarm))
    if values.price_book_id is None:
        return
    book = find_book(connection, agency_id, values.price_book_id)
    if book.side != ("agency" if client_id is None else "client"):
        raise ValueRefused("price_book_id", f"is a book of the side {book.side}, which this account is not on")
    if book.currency != currency:
        raise ValueRefused("price_book_id", f"is a book in {book.currency}, and the account is in {currency}")


def _check_currencies(connection: Connection, agency_id: UUID, client_id: UUID | None, book: Book) -> None:
    concerned = [
        account
        for account in store.find_accounts(connection, agency_id)
        if account.side == book.side and (client_id is None or account.client_id in {None, client_id})
    ]
    if any(account.currency != book.currency for account in concerned):
        raise ValueRefused("price_book_id", f"is a book in {book.currency}; an account that it concerns is not")


def _check_same(connection: Connection, agency_id: UUID, reported: Sequence[Usage]) -> None:
    """Raises ReferenceTaken when a reference stands for something else."""
    for one in reported:
        kept = month_store.find_usage_by_reference(connection, agency_id, one.client_id, one.reference)
        told = (one.day, one.meter, one.quantity)
        if kept is not None and (kept["day"], kept["meter"], kept["quantity"]) != told:
            raise ReferenceTaken
