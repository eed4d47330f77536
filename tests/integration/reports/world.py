"""A year of plausible calls, visits and spend of two clients, and the same figures worked out without SQL."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import insert

from dialtrace.db.engine import Database
from dialtrace.db.tables import ad_spend, attributions, call_assessments, calls, touches, visits
from dialtrace.ids import new_id
from dialtrace.reports.model import Question, ReportSettings, SpendRow
from dialtrace.reports.said_store import digest_of

WORDS = ("channel", "source", "medium", "campaign", "content", "keyword")
SOURCES: Sequence[dict[str, str | None]] = [
    {"channel": "paid_search", "source": "google", "medium": "cpc", "campaign": "spring", "keyword": "plumber"},
    {"channel": "paid_search", "source": "google", "medium": "cpc", "campaign": "brand"},
    {"channel": "social", "source": "vk", "campaign": "spring"},
    {"channel": "direct", "source": "direct"},
    {},
]
OUTCOMES = ("answered", "answered", "answered", "no_answer", "busy", "caller_cancelled", "voicemail", "blocked")
#: The clocks change inside of it, there and back.
BEGIN, DAYS = date(2026, 3, 1), 300


@dataclass
class World:
    """What was written, as plain rows."""

    agency_id: uuid.UUID
    zones: dict[uuid.UUID, str]
    settings: dict[uuid.UUID, ReportSettings] = field(default_factory=dict)
    calls: list[dict[str, Any]] = field(default_factory=list)
    visits: list[dict[str, Any]] = field(default_factory=list)
    spend: list[dict[str, Any]] = field(default_factory=list)
    first_calls: dict[tuple[uuid.UUID, str | None], datetime] = field(default_factory=dict)

    def local(self, row: dict[str, Any]) -> datetime:
        return row["started_at"].astimezone(ZoneInfo(self.zones[row["client_id"]]))


def _source(words: dict[str, str | None]) -> dict[str, str | None]:
    return {name: words.get(name) for name in WORDS}


def write_world(database: Database, agency_id: uuid.UUID, zones: dict[uuid.UUID, str], seed: int, count: int) -> World:
    rng = random.Random(seed)
    world = World(agency_id, zones)
    clients = list(zones)
    for _ in range(count):
        client = rng.choice(clients)
        started = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(seconds=rng.randrange(DAYS * 86_400))
        site, source = rng.choice(["a", "b"]), rng.choice(SOURCES)
        visit = {
            "agency_id": agency_id, "id": new_id(now_ms=int(started.timestamp() * 1000)), "client_id": client,
            "started_at": started, "site_id": uuid.uuid5(client, site), "visitor_id": new_id(),
            "landing_page": f"https://{site}.example/{rng.choice(['', 'price'])}", "channel": "direct",
            "source": "direct", "classified_by": "test", "device": rng.choice(["mobile", "desktop"]),
            "region": rng.choice([None, "RU-MOW"]), "consent": "given", "last_seen_at": started,
            "is_bot": rng.random() < 0.1, "is_preview": rng.random() < 0.05,
        } | {name: value for name, value in source.items() if value}  # fmt: skip
        world.visits.append(visit)
        if rng.random() < 0.6:
            world.calls.append(_call(rng, agency_id, client, visit, source))
    for offset in range(0, DAYS, 3):
        for client in clients:
            for source in SOURCES[:3]:
                row = SpendRow(
                    day=BEGIN + timedelta(days=offset), **source, impressions=rng.randrange(1000),
                    clicks=rng.randrange(100), cost=Decimal(rng.randrange(100_000)) / 100,
                    currency=rng.choice(["EUR", "EUR", "USD"]),
                )  # fmt: skip
                values = {name: getattr(row, name) for name in SpendRow.__dataclass_fields__}
                world.spend.append(
                    {"agency_id": agency_id, "client_id": client, "digest": digest_of(row),
                     "imported_at": datetime.now(UTC)} | values
                )  # fmt: skip
    _write(database, world)
    return world


def _call(
    rng: random.Random, agency_id: uuid.UUID, client: uuid.UUID, visit: dict[str, Any], source: dict[str, str | None]
) -> dict[str, Any]:
    started = visit["started_at"] + timedelta(seconds=rng.randrange(600))
    outcome = rng.choice(OUTCOMES)
    connected = started + timedelta(milliseconds=rng.randrange(60_000)) if outcome == "answered" else None
    known = bool(source) and rng.random() < 0.9
    said = rng.random() < 0.4
    sold = said and rng.random() < 0.5
    return {
        "agency_id": agency_id, "id": uuid.UUID(int=rng.getrandbits(128)), "started_at": started, "client_id": client,
        "number": f"+7495000{rng.randrange(3):04}", "outcome": outcome, "connected_at": connected,
        "caller": None if rng.random() < 0.1 else f"+7916{rng.randrange(150):07}",
        "talk_ms": rng.randrange(120_000) if connected else None, "is_test": rng.random() < 0.05,
        "spam_score": rng.choice([None, 0, 70, 95]), "node": f"node-{rng.randrange(2)}",
        "flow_id": uuid.uuid5(client, "flow"), "target_id": uuid.uuid5(client, str(rng.randrange(2))),
        "tags": rng.choice([[], ["vip"], ["supplier"]]),
        "visit": visit if known else None, "words": _source(source if known else {}),
        "source_probability": rng.random() if known else None, "attributed": rng.random() < 0.95,
        "assessment": {
            "tags": rng.choice([[], ["hot"]]), "score": rng.choice([None, 20, 90]),
            "sale_amount": Decimal(rng.randrange(1_000_000)) / 10_000 if sold else None,
            "sale_currency": rng.choice(["EUR", "EUR", "USD"]) if sold else None,
        } if said else None,
    }  # fmt: skip


_CALL = ("agency_id", "id", "started_at", "client_id", "number", "outcome", "connected_at", "caller", "talk_ms",
         "is_test", "spam_score", "node", "flow_id", "target_id")  # fmt: skip


def _write(database: Database, world: World) -> None:
    for call in world.calls:
        if not call["attributed"]:
            call |= {"visit": None, "words": _source({}), "source_probability": None}
    with database.tenant(world.agency_id) as connection:
        connection.execute(
            insert(calls),
            [
                {name: call[name] for name in _CALL}
                | {"decided_by": "worker", "digest": b"", "facts": {"tags": call["tags"]} if call["tags"] else {}}
                for call in world.calls
            ],
        )
        connection.execute(insert(attributions), list(_attributions(world)))
        connection.execute(
            insert(call_assessments),
            [
                call["assessment"]
                | {"agency_id": world.agency_id, "call_id": call["id"], "client_id": call["client_id"],
                   "call_started_at": call["started_at"], "version": 1, "updated_at": call["started_at"]}
                for call in world.calls if call["assessment"]
            ],
        )  # fmt: skip
        names = sorted({name for visit in world.visits for name in visit})
        connection.execute(insert(visits), [{name: visit.get(name) for name in names} for visit in world.visits])
        connection.execute(insert(ad_spend), world.spend)


def _attributions(world: World) -> Iterable[dict[str, Any]]:
    """Most twice: only the last revision counts."""
    for call in world.calls:
        if not call["attributed"]:
            continue
        visit = call["visit"]
        row = {
            "agency_id": world.agency_id, "call_id": call["id"], "revision": 2, "client_id": call["client_id"],
            "call_started_at": call["started_at"], "method": "visit" if visit else "unknown",
            "visit_id": visit["id"] if visit else None, "visit_started_at": visit["started_at"] if visit else None,
            "source_probability": call["source_probability"], "digest": b"", **call["words"],
        }  # fmt: skip
        yield row
        wrong = {"channel": "email", "source": "old", "visit_id": None, "visit_started_at": None}
        yield row | {"revision": 1, "source_probability": 1.0} | wrong


def write_touches(database: Database, world: World, seed: int) -> None:
    """What led to the calls that have an attribution."""
    rng = random.Random(seed)
    rows = [row for call in world.calls if call["attributed"] for row in _touches(rng, call)]
    with database.tenant(world.agency_id) as connection:
        connection.execute(insert(touches), rows)


def _touches(rng: random.Random, call: dict[str, Any]) -> Sequence[dict[str, Any]]:
    """One visitor or two who may have called, each with up to three visits; of some nothing is known."""
    shares = rng.choice([[], [1.0], [0.7, 0.2]])
    return [
        {
            "agency_id": call["agency_id"], "call_id": call["id"], "revision": 2, "path": path, "place": place,
            "client_id": call["client_id"], "call_started_at": call["started_at"], "probability": share,
            "kind": "visit", "touched_at": call["started_at"] - timedelta(days=9 - 3 * place, minutes=path),
            **dict.fromkeys(("channel", "source", "medium", "campaign", "content", "keyword")),
            **rng.choice(SOURCES),
        }
        for path, share in enumerate(shares) for place in range(rng.randrange(1, 4))
    ]  # fmt: skip


# --- The same figures, without SQL. ---


def expected(world: World, question: Question, clients: Sequence[uuid.UUID]) -> dict[tuple[Any, ...], dict[str, Any]]:
    """Key → measure → its sum."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    families: dict[str, tuple[list[dict[str, Any]], Callable[..., Any], Callable[..., Any]]] = {
        "calls": ([one for one in world.calls if not one["is_test"]], _call_words, _measure_calls),
        "visits": ([one for one in world.visits if not one["is_bot"] and not one["is_preview"]], _visit_words, _count),
        "spend": (world.spend, _spend_words, _measure_spend),
    }
    for family, measures in question.measures.items():
        rows, words_of, measure = families[family]
        groups: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
        for row in rows:
            words = words_of(world, row)
            if (
                row["client_id"] in clients
                and question.first <= words["day"] <= question.last
                and _passes(words, question)
            ):
                groups.setdefault(tuple(words[name] for name in question.by), []).append(row)
        if not question.by:
            groups.setdefault((), [])
        for key, members in groups.items():
            sums = measure(world, members, question)
            found.setdefault(key, {}).update({name: sums[name] for name in measures})
    for sums in found.values():
        for measures in question.measures.values():
            for name in measures:
                sums.setdefault(name, 0)
    return found


def _passes(words: dict[str, Any], question: Question) -> bool:
    return all(
        (None if words[name] is None else str(words[name])) in values for name, values in question.filters.items()
    )


def _days(day: date) -> dict[str, Any]:
    return {
        "day": day, "date": str(day), "week": str(day - timedelta(days=day.weekday())),
        "month": str(day.replace(day=1)), "weekday": day.isoweekday(),
    }  # fmt: skip


def _call_words(world: World, call: dict[str, Any]) -> dict[str, Any]:
    local, visit = world.local(call), call["visit"] or {}
    return _days(local.date()) | call["words"] | {
        "client": str(call["client_id"]), "hour": local.hour, "site": str(visit["site_id"]) if visit else None,
        "landing_page": visit.get("landing_page"), "visit_region": visit.get("region"), "device": visit.get("device"),
        "number": call["number"], "flow": str(call["flow_id"]), "target": str(call["target_id"]),
        "outcome": call["outcome"], "node": call["node"],
        "repeat": None if call["caller"] is None else "repeat" if _is_repeat(world, call) else "first_time",
    }  # fmt: skip


def _visit_words(world: World, visit: dict[str, Any]) -> dict[str, Any]:
    local = world.local(visit)
    return _days(local.date()) | {name: visit.get(name) for name in WORDS} | {
        "client": str(visit["client_id"]), "hour": local.hour, "site": str(visit["site_id"]),
        "landing_page": visit["landing_page"], "visit_region": visit["region"], "device": visit["device"],
    }  # fmt: skip


def _spend_words(_: World, row: dict[str, Any]) -> dict[str, Any]:
    return _days(row["day"]) | {name: row[name] for name in WORDS} | {"client": str(row["client_id"])}


def _is_repeat(world: World, call: dict[str, Any]) -> bool:
    if not world.first_calls:
        for one in sorted(world.calls, key=lambda row: row["started_at"]):
            if not one["is_test"]:
                world.first_calls.setdefault((one["client_id"], one["caller"]), one["started_at"])
    return bool(world.first_calls[call["client_id"], call["caller"]] < call["started_at"])


def _count(_: World, rows: Sequence[Any], __: Question) -> dict[str, Any]:
    return {"visits": len(rows)}


def _measure_spend(_: World, rows: Sequence[dict[str, Any]], question: Question) -> dict[str, Any]:
    return {
        "impressions": sum(row["impressions"] for row in rows),
        "clicks": sum(row["clicks"] for row in rows),
        "cost": sum((row["cost"] for row in rows if row["currency"] == question.currency), start=Decimal(0)),
    }


def _measure_calls(world: World, rows: Sequence[dict[str, Any]], question: Question) -> dict[str, Any]:
    sums: dict[str, Any] = dict.fromkeys(
        ("calls", "first_calls", "repeat_calls", "answered", "missed", "blocked", "answer_ms", "slow_answers",
         "talk_ms", "target_calls", "leads", "revenue_sales", "sales", "spam_calls", "confident_calls"), 0,
    ) | {"revenue": Decimal(0)}  # fmt: skip
    callers = set()
    for call in rows:
        rules = world.settings.get(call["client_id"], ReportSettings())
        said = call["assessment"] or {"tags": [], "score": None, "sale_amount": None, "sale_currency": None}
        answered, spam = call["outcome"] == "answered", (call["spam_score"] or 0) >= rules.spam_from
        repeat = call["caller"] is not None and _is_repeat(world, call)
        waited = round((call["connected_at"] - call["started_at"]).total_seconds() * 1000) if answered else 0
        tags = {*call["tags"], *said["tags"]}
        target = (
            (answered or not rules.target.answered)
            and (call["talk_ms"] or 0) >= rules.target.min_talk_s * 1000
            and (rules.target.min_score is None or (said["score"] or -1) >= rules.target.min_score)
            and (not rules.target.tags_any or bool(tags & set(rules.target.tags_any)))
            and not tags & set(rules.target.tags_none)
            and not (rules.target.without_spam and spam)
        )
        sums["calls"] += 1
        sums["first_calls"] += call["caller"] is not None and not repeat
        sums["repeat_calls"] += repeat
        sums["answered"] += answered
        sums["missed"] += call["outcome"] not in {"answered", "blocked"}
        sums["blocked"] += call["outcome"] == "blocked"
        sums["answer_ms"] += waited
        sums["slow_answers"] += answered and waited > rules.answer_norm_s * 1000
        sums["talk_ms"] += call["talk_ms"] or 0
        sums["target_calls"] += target
        sums["leads"] += target and call["caller"] is not None and not repeat
        sums["sales"] += said["sale_amount"] is not None
        sums["revenue_sales"] += said["sale_amount"] is not None and said["sale_currency"] == question.currency
        sums["revenue"] += said["sale_amount"] if said["sale_currency"] == question.currency else 0
        sums["spam_calls"] += spam
        sums["confident_calls"] += (call["source_probability"] or 0) >= rules.confidence
        if call["caller"] is not None:
            callers.add((call["client_id"], call["caller"]))
    return sums | {"callers": len(callers)}
