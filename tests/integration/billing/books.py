"""Calls, legs and the log's events put straight into the tables, as many as a test wants; and tenants with prices."""

from __future__ import annotations

import io
import json
import random
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Engine, text

AGENCY = uuid.UUID("01990000-0000-7000-8000-0000000000a1")
OTHER_AGENCY = uuid.UUID("01990000-0000-7000-8000-0000000000b1")
CLIENTS = [uuid.UUID(f"01990000-0000-7000-8000-0000000000c{number}") for number in range(1, 5)]
ZONES = ["Europe/London", "Europe/Moscow", "America/New_York", "UTC"]

DIALLED = [
    "+442079460123",
    "+441632960001",
    "+74951234567",
    "+78121234567",
    "+12025550123",
    "+4930123456",
    "+61291234567",
]
FORWARDED = ["+447700900123", "+442079460999", "+79161234567", "+12025550199", "+33123456789"]


@dataclass(frozen=True)
class Made:
    """A call as the test made it. ``legs``: number that was dialled on and talk in ms."""

    id: uuid.UUID
    started_at: datetime
    client_id: uuid.UUID
    number: str
    billed_ms: int | None
    spam_score: int | None = None
    is_test: bool = False
    legs: Sequence[tuple[str, int]] = field(default_factory=tuple)


def some_calls(count: int, *, seed: int, clients: Sequence[uuid.UUID] = CLIENTS) -> Iterator[Made]:
    """The same seed makes the same calls, in the order of their starts: over some months, answered or not, forwarded
    by no leg, one or two, with lengths that lie on and around every edge of a step."""
    dice = random.Random(seed)
    started = datetime(2026, 8, 30, 21, 0, tzinfo=UTC)
    step_us = 75 * 86_400_000_000 // count
    edges = [
        0,
        1,
        999,
        1000,
        1001,
        5999,
        6000,
        6001,
        29_999,
        30_000,
        59_999,
        60_000,
        60_001,
        119_000,
        120_001,
        3_599_999,
    ]
    for _ in range(count):
        started += timedelta(microseconds=dice.randint(1, 2 * step_us))
        billed = dice.choice([None, dice.choice(edges), dice.randint(1, 900_000), dice.randint(1, 90_000)])
        legs: list[tuple[str, int]] = []
        if billed:
            legs = [(dice.choice(FORWARDED), dice.randint(0, billed)) for _ in range(dice.choice([0, 0, 1, 1, 1, 2]))]
        yield Made(
            id=uuid.UUID(int=dice.getrandbits(128), version=4),
            started_at=started,
            client_id=dice.choice(clients),
            number=dice.choice(DIALLED),
            billed_ms=billed,
            spam_score=dice.choice([None, None, 0, 55]),
            is_test=dice.random() < 0.02,
            legs=legs,
        )


def make_tenants(engine: Engine) -> None:
    """An agency with four clients in four time zones, and a foreign one with none."""
    with engine.begin() as connection:
        for agency in (AGENCY, OTHER_AGENCY):
            connection.execute(
                text("INSERT INTO agencies (agency_id, name) VALUES (:a, 'Полярная звезда')"), {"a": agency}
            )
        for place, (client, zone) in enumerate(zip(CLIENTS, ZONES, strict=True)):
            values = {"a": AGENCY, "c": client, "n": f"Клиент {place}", "z": zone}
            connection.execute(
                text("INSERT INTO clients (agency_id, id, name, time_zone) VALUES (:a, :c, :n, :z)"), values
            )


def put_calls(engine: Engine, calls: Sequence[Made], *, agency: uuid.UUID = AGENCY) -> int:
    """Calls, legs and their events, with positions in the order of the calls; the last position."""
    with engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        sequence = "SELECT coalesce(max(last_position), 0) FROM event_sequences WHERE agency_id = :a"
        before = connection.execute(text(sequence), {"a": agency}).scalar_one()
        cursor = connection.connection.cursor()
        columns = (
            "agency_id, id, started_at, client_id, number, node, decided_by, outcome, digest, billed_ms, spam_score,"
            " is_test"
        )
        _copy(cursor, f"calls ({columns})", (
            (agency, one.id, one.started_at, one.client_id, one.number, "node-1", "worker", "answered", "\\\\x00",
             one.billed_ms, one.spam_score, one.is_test)
            for one in calls
        ))  # fmt: skip
        columns = "agency_id, id, call_started_at, call_id, client_id, address, outcome, talk_ms, trunk"
        columns += ", connected_at, digest"
        _copy(cursor, f"legs ({columns})", (
            (agency, uuid.uuid5(one.id, str(place)), one.started_at, one.id, one.client_id,
             f"sip:{number}@sip.north.example", "answered", talk, "north",
             one.started_at + timedelta(seconds=place), "\\\\x00")
            for one in calls for place, (number, talk) in enumerate(one.legs)
        ))  # fmt: skip
        columns = "agency_id, id, client_id, type, call_id, occurred_at, position, data"
        _copy(cursor, f"events ({columns})", (
            (agency, uuid.uuid5(one.id, "event"), one.client_id, "call.ended", one.id, one.started_at,
             before + place + 1, json.dumps({"started_at": one.started_at.isoformat()}))
            for place, one in enumerate(calls)
        ))  # fmt: skip
        connection.execute(
            text(
                "INSERT INTO event_sequences (agency_id, last_position) VALUES (:a, :p)"
                " ON CONFLICT (agency_id) DO UPDATE SET last_position = excluded.last_position"
            ),
            {"a": agency, "p": before + len(calls)},
        )
        return int(before) + len(calls)


def _copy(cursor: Any, target: str, rows: Iterator[tuple[Any, ...]]) -> None:
    """COPY, in pieces, so that a million rows are never one text."""
    piece = io.StringIO()

    def flush() -> None:
        piece.seek(0)
        cursor.copy_expert(f"COPY {target} FROM STDIN", piece)
        piece.seek(0)
        piece.truncate()

    for count, row in enumerate(rows, 1):
        piece.write("\t".join("\\N" if value is None else _plain(value) for value in row) + "\n")
        if count % 50_000 == 0:
            flush()
    flush()


def _plain(value: object) -> str:
    if isinstance(value, bool):
        return "t" if value else "f"
    return value.isoformat() if isinstance(value, datetime) else str(value)


def rows(engine: Engine, statement: str, **values: object) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.execute(text(statement), values).mappings())


def money(engine: Engine, statement: str, **values: object) -> Decimal:
    with engine.connect() as connection:
        return Decimal(connection.execute(text(statement), values).scalar_one() or 0)
