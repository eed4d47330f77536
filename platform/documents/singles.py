"""What a client has one of each: read into a document and set from one, by the rooms' own use cases. Knows no SQL."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from ..admission.model import Limits, NewBlock
from ..billing.errors import AccountUnknown
from ..billing.model import AccountValues, Book, Edition, NewEdition, Package, Rate, money_text
from ..exports.columns import names_of
from ..pool.model import Reserve
from ..privacy.model import Rules
from .errors import DocumentFaulty
from .kinds import KEYED
from .work import Found, Work, every

_RETENTION = ("cdr_days", "recording_days", "caller_days", "visit_days", "caller_becomes")
_CONTENTS = ("calls", "events", "audit")
_ACCOUNT = ("mode", "due_days", "grace_days", "then_action")


@dataclass(frozen=True, kw_only=True)
class Single:
    """``put`` gets what the document says, what is there, and whether what it does not name is to go."""

    read: Callable[[Work], Any]
    put: Callable[[Work, Any, Any, bool], None]


def _read_client(work: Work) -> Any:
    client = work.rooms.tenancy.get_client(work.agency_id, work.client_id)
    return {"name": client.name, "time_zone": client.time_zone, "backup_target": client.backup_target_id}


def _put_client(work: Work, wanted: Any, _: Any, __: bool) -> None:
    backup = wanted["backup_target"]
    work.rooms.flows.update_client(
        work.agency_id, work.client_id, name=wanted["name"], time_zone=wanted["time_zone"],
        backup_target_id=None if backup is None else UUID(backup),
    )  # fmt: skip


def _of(work: Work, kind: str, key: str, member: str) -> Found:
    """A thing that must be there by now."""
    found = KEYED[kind].read(work).get(key)
    if found is None:
        raise DocumentFaulty(f"/{member}/{key}", f"there is no such thing among {kind}")
    return found


# --- Rules of sites, numbers and reserves of pools. ---


def _read_site_rules(work: Work) -> Any:
    keys = {found.id: key for key, found in KEYED["sites"].read(work).items()}
    rows = every(
        lambda limit, after: work.rooms.sites.list_sites(work.agency_id, work.client_id, limit=limit, after=after)
    )
    return {keys[one.id]: {"live": one.rules_live, "draft": one.rules_draft} for one in rows if one.id in keys}


def _put_site_rules(work: Work, wanted: Any, now: Any, _: bool) -> None:
    sites = work.rooms.sites
    for key, rules in sorted(wanted.items()):
        before = now.get(key, {"live": None, "draft": None})
        if rules == before:
            continue
        site = _of(work, "sites", key, "site_rules")
        if rules["live"] != before["live"]:
            sites.draft_rules(work.agency_id, site.id, rules["live"], client_id=work.client_id)
            sites.publish_rules(work.agency_id, site.id, client_id=work.client_id)
        if rules["draft"] is not None:
            sites.draft_rules(work.agency_id, site.id, rules["draft"], client_id=work.client_id)
        elif before["draft"] is not None and rules["live"] == before["live"]:
            sites.discard_draft(work.agency_id, site.id, client_id=work.client_id)


def _read_pool_numbers(work: Work) -> Any:
    found: dict[str, list[UUID]] = {}
    pools = {pool.id: key for key, pool in KEYED["pools"].read(work).items()}
    rows = every(
        lambda limit, after: work.rooms.numbers.list_numbers(work.agency_id, work.client_id, limit=limit, after=after)
    )
    for one in sorted((row for row in rows if row.pool_id in pools), key=lambda row: row.e164):
        found.setdefault(pools[one.pool_id], []).append(one.id)
    return found


def _put_pool_numbers(work: Work, wanted: Any, now: Any, remove: bool) -> None:
    for key in sorted({*wanted, *now}):
        after, before = set(wanted.get(key, ())), set(now.get(key, ()))
        if after == before or (key not in wanted and key not in KEYED["pools"].read(work)):
            continue
        pool = _of(work, "pools", key, "pool_numbers")
        if remove and before - after:
            gone = [UUID(one) for one in sorted(before - after)]
            work.rooms.pools.remove_numbers(work.agency_id, pool.id, gone, client_id=work.client_id)
        if after - before:
            fresh = [UUID(one) for one in sorted(after - before)]
            work.rooms.pools.add_numbers(work.agency_id, pool.id, fresh, client_id=work.client_id)


def _read_reserves(work: Work) -> Any:
    pools = KEYED["pools"].read(work)
    found = {key: work.rooms.pools.reserves(work.agency_id, pool.id) for key, pool in pools.items()}
    return {
        key: [{"source": one.source, "number": one.number_id} for one in sorted(reserves, key=lambda one: one.source)]
        for key, reserves in found.items()
        if reserves
    }


def _put_reserves(work: Work, wanted: Any, now: Any, _: bool) -> None:
    for key in sorted({*wanted, *now}):
        if wanted.get(key) != now.get(key):
            pool = _of(work, "pools", key, "pool_reserves")
            reserves = [Reserve(one["source"], UUID(one["number"])) for one in wanted.get(key, ())]
            work.rooms.pools.put_reserves(work.agency_id, pool.id, reserves, client_id=work.client_id)


# --- Sources, blocks, limits, retention, recordings, exports. ---


def _read_source_rules(work: Work) -> Any:
    return work.rooms.sites.get_source_rules(work.agency_id, work.client_id).rules


def _put_source_rules(work: Work, wanted: Any, _: Any, __: bool) -> None:
    work.rooms.sites.put_source_rules(work.agency_id, work.client_id, wanted)


def _blocks(work: Work) -> Any:
    rows = every(
        lambda limit, after: work.rooms.admission.list_blocks(work.agency_id, work.client_id, limit=limit, after=after)
    )
    return [one for one in rows if one.client_id == work.client_id]


def _read_blocks(work: Work) -> Any:
    found = sorted(_blocks(work), key=lambda one: (one.kind, one.pattern))
    return [{"kind": one.kind, "pattern": one.pattern, "note": one.note} for one in found]


def _put_blocks(work: Work, wanted: Any, now: Any, remove: bool) -> None:
    admission = work.rooms.admission
    told = {(one["kind"], one["pattern"]): one for one in wanted}
    fresh = [one for key, one in sorted(told.items()) if one not in now]
    for one in _blocks(work):
        # Another note is another entry in the place of the one that is there.
        said = told.get((one.kind, one.pattern))
        if (said is None and remove) or (said is not None and said in fresh):
            admission.remove_block(work.agency_id, work.client_id, one.id)
    if fresh:
        admission.add_blocks(work.agency_id, work.client_id, [NewBlock(**one) for one in fresh])


def _read_limits(work: Work) -> Any:
    found = work.rooms.admission.get_limits(work.agency_id, work.client_id)
    return {"max_calls": found.max_calls, "max_calls_per_s": found.max_calls_per_s}


def _put_limits(work: Work, wanted: Any, _: Any, __: bool) -> None:
    work.rooms.admission.set_limits(work.agency_id, work.client_id, Limits(**wanted))


def _read_retention(work: Work) -> Any:
    rules = work.rooms.privacy.get_retention(work.agency_id, work.client_id).rules
    return {name: getattr(rules, name) for name in _RETENTION}


def _put_retention(work: Work, wanted: Any, _: Any, __: bool) -> None:
    work.rooms.privacy.set_retention(work.agency_id, work.client_id, Rules(**wanted))


def _read_recording(work: Work) -> Any:
    wish = work.rooms.recording.get_wish(work.agency_id, work.client_id)
    return {"format": wish.form, "keep_original": wish.keep_original} if wish.is_own else None


def _put_recording(work: Work, wanted: Any, _: Any, __: bool) -> None:
    if wanted is None:
        raise DocumentFaulty("/recording", "cannot be unsaid: name the form that recordings are to have")
    work.rooms.recording.set_wish(
        work.agency_id, work.client_id, form=wanted["format"], keep_original=wanted["keep_original"]
    )


def _read_columns(work: Work) -> Any:
    found = work.rooms.exports.get_columns(work.agency_id, work.client_id)
    # null: every column, also those that come later.
    return {name: None if found[name] == names_of(name) else list(found[name]) for name in _CONTENTS}


def _put_columns(work: Work, wanted: Any, _: Any, __: bool) -> None:
    work.rooms.exports.put_columns(work.agency_id, work.client_id, wanted)


# --- Prices and the account. ---


def _read_billing(work: Work) -> Any:
    try:
        account = work.rooms.billing.get_account(work.agency_id, work.client_id)
    except AccountUnknown:
        return None
    books = work.rooms.price_books
    book = None if account.price_book_id is None else books.get_book(work.agency_id, account.price_book_id)
    return {
        "currency": account.currency,
        "time_zone": account.time_zone,
        "lowest_balance": money_text(account.lowest_balance),
        "alarms": [money_text(one) for one in account.alarms],
        "price_book": None if book is None else {"name": book.name, "editions": _editions(work, book)},
        **{name: getattr(account, name) for name in _ACCOUNT},
    }


def _editions(work: Work, book: Book) -> list[Any]:
    books = work.rooms.price_books
    return [_edition(books.get_edition(work.agency_id, book.id, number)) for number in range(1, book.edition + 1)]


def _edition(edition: Edition) -> Any:
    amounts = ("amount", "setup", "minimum")
    return {
        "valid_from": edition.valid_from.isoformat(),
        "places": edition.places,
        "rounding": edition.rounding,
        "monthly_minimum": money_text(edition.monthly_minimum),
        "rates": [asdict(one) | {name: money_text(getattr(one, name)) for name in amounts} for one in edition.rates],
        "packages": [asdict(one) for one in edition.packages],
    }


def _put_billing(work: Work, wanted: Any, now: Any, _: bool) -> None:
    billing = work.rooms.billing
    if wanted is None:
        raise DocumentFaulty("/billing", "an account that was opened stays: say what it is to be")
    values = {name: wanted[name] for name in _ACCOUNT}
    values["lowest_balance"] = Decimal(wanted["lowest_balance"])
    values["alarms"] = tuple(Decimal(one) for one in wanted["alarms"])
    values["price_book_id"] = _book_of(work, wanted["price_book"], wanted["currency"])
    if now is None:
        billing.open_account(
            work.agency_id, work.client_id, AccountValues(**values), currency=wanted["currency"],
            time_zone=wanted["time_zone"],
        )  # fmt: skip
        return
    for name in ("currency", "time_zone"):
        if wanted[name] != now[name]:
            raise DocumentFaulty(f"/billing/{name}", "was said when the account was opened, and stays")
    version = billing.get_account(work.agency_id, work.client_id).version
    billing.change_account(work.agency_id, work.client_id, values, version=version)


def _book_of(work: Work, told: Any, currency: str) -> UUID | None:
    """The agency's price book of that name: made where there is none, with the editions that it does not have yet.
    Other clients have it too, so nothing of it is changed."""
    if told is None:
        return None
    books = work.rooms.price_books
    rows = every(lambda limit, after: books.list_books(work.agency_id, limit=limit, after=after))
    same = [one for one in rows if (one.name, one.side, one.currency) == (told["name"], "client", currency)]
    book = same[0] if same else books.create_book(work.agency_id, side="client", name=told["name"], currency=currency)
    there = _editions(work, book)
    if there != told["editions"][: len(there)]:
        raise DocumentFaulty("/billing/price_book", f"the agency has another price book named {told['name'][:200]!r}")
    for edition in told["editions"][len(there) :]:
        books.add_edition(work.agency_id, book.id, _new_edition(edition))
    return book.id


def _new_edition(told: Any) -> NewEdition:
    amounts = ("amount", "setup", "minimum")
    return NewEdition(
        valid_from=datetime.fromisoformat(told["valid_from"]),
        places=told["places"],
        rounding=told["rounding"],
        monthly_minimum=Decimal(told["monthly_minimum"]),
        rates=[Rate(**one | {name: Decimal(one[name]) for name in amounts}) for one in told["rates"]],
        packages=[Package(**one) for one in told["packages"]],
    )


#: In the order in which they are set, after the things with keys.
ALONE: Mapping[str, Single] = {
    "client": Single(read=_read_client, put=_put_client),
    "pool_numbers": Single(read=_read_pool_numbers, put=_put_pool_numbers),
    "pool_reserves": Single(read=_read_reserves, put=_put_reserves),
    "site_rules": Single(read=_read_site_rules, put=_put_site_rules),
    "source_rules": Single(read=_read_source_rules, put=_put_source_rules),
    "blocks": Single(read=_read_blocks, put=_put_blocks),
    "limits": Single(read=_read_limits, put=_put_limits),
    "retention": Single(read=_read_retention, put=_put_retention),
    "recording": Single(read=_read_recording, put=_put_recording),
    "export_columns": Single(read=_read_columns, put=_put_columns),
    "billing": Single(read=_read_billing, put=_put_billing),
}
