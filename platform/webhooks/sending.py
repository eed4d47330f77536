"""Renders messages, signs them, sends them, and says what became of each. Knows nothing of processes or queues' order.

A body is made at the moment of sending, so what was erased meanwhile is not sent. What an answer says is kept sealed:
receivers like to repeat what they were told.
"""

from __future__ import annotations

import base64
import json
import random
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog

from ..clock import Clock, moment_text
from ..db.engine import Database
from ..events.model import Event
from ..messages.rendering import Around, render
from ..messages.service import render_events
from ..outgoing.errors import OutgoingError
from ..outgoing.model import Answer, Request, read_retry_after
from ..outgoing.service import OutgoingClient
from ..outgoing.signing import signed_headers
from ..secrets_box.errors import SecretsBoxError
from ..secrets_box.model import SecretsBox
from .claims import Result
from .model import LONGEST_RETRY_AFTER_S, MOST_KEPT_BYTES, Claimed, Schedule, Verdict, kept_headers

log = structlog.get_logger("webhooks")

TEST_TYPE = "webhook.test"


def secret_purpose(webhook_id: UUID) -> str:
    """What a webhook's secret is sealed for."""
    return f"webhook {webhook_id}"


def answer_purpose(delivery_id: UUID) -> str:
    """What the answers to a delivery are sealed for."""
    return f"webhook answer {delivery_id}"


def event_of(message: Claimed) -> Event:
    """The event that a claimed message tells of."""
    return Event(
        agency_id=message.agency_id,
        id=message.message_id,
        client_id=message.client_id,
        type=message.type,
        call_id=message.call_id,
        revision=message.revision,
        occurred_at=message.occurred_at,
        position=message.position or 0,
        data=message.data or {},
        recorded_at=message.occurred_at,
    )


def test_event(webhook_id: UUID, *, agency_id: UUID, client_id: UUID | None, message_id: UUID, at: datetime) -> Event:
    """What the test button sends."""
    data = {"webhook_id": str(webhook_id)}
    return Event(agency_id, message_id, client_id, TEST_TYPE, None, 1, at, 0, data, at)


def body_bytes(message: Mapping[str, Any]) -> bytes:
    """The bytes that are signed and sent."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":")).encode()


class Sender:
    """Sends claimed messages. Any number of threads or greenlets use it at a time."""

    def __init__(
        self, database: Database, client: OutgoingClient, box: SecretsBox, clock: Clock, schedule: Schedule
    ) -> None:
        self._database = database
        self._client = client
        self._box = box
        self._clock = clock
        self.schedule = schedule

    def render(self, messages: Sequence[Claimed]) -> dict[Claimed, bytes]:
        """Bodies of a batch, one read for each agency. What cannot be rendered is not in it. Raises the database's."""
        bodies: dict[Claimed, bytes] = {}
        groups: dict[tuple[UUID, bool], list[Claimed]] = defaultdict(list)
        for message in messages:
            if message.type == TEST_TYPE:
                event = test_event(
                    message.webhook_id, agency_id=message.agency_id, client_id=message.owner_id,
                    message_id=message.message_id, at=message.occurred_at,
                )  # fmt: skip
                bodies[message] = body_bytes(render(event, Around(), whole_agency=False))
            elif message.data is not None:
                groups[message.agency_id, message.owner_id is None].append(message)
        for (agency_id, whole_agency), group in groups.items():
            with self._database.tenant(agency_id) as connection:
                told = self._told(connection, agency_id, group, whole_agency=whole_agency)
            bodies |= {one: body_bytes(body) for one, body in zip(group, told, strict=True) if body is not None}
        return bodies

    @staticmethod
    def _told(
        connection: Any, agency_id: UUID, messages: Sequence[Claimed], *, whole_agency: bool
    ) -> list[dict[str, Any] | None]:
        told: list[dict[str, Any] | None] = []
        try:
            told += render_events(connection, agency_id, list(map(event_of, messages)), whole_agency=whole_agency)
        except (KeyError, ValueError) as fault:
            # Somebody wrote an event that no body can be made of: the others must not wait for that one.
            log.error("a message cannot be rendered", agency=str(agency_id), fault=repr(fault))
            for message in messages:
                try:
                    told += render_events(connection, agency_id, [event_of(message)], whole_agency=whole_agency)
                except (KeyError, ValueError):
                    told.append(None)
        return told

    def send(self, message: Claimed, body: bytes | None) -> Result:
        """One try. Raises nothing that the receiver or the network does."""
        if body is None:
            # Its event is no more (retention), or cannot be rendered: no later try would do better.
            return Result(message, Verdict("failed", fault="no_body"), self._attempt(message, 0, fault="no_body"))
        now = self._clock.now()
        try:
            keys = [self._box.open(one, purpose=secret_purpose(message.webhook_id)) for one in message.sealed]
        except SecretsBoxError as fault:
            log.error("a webhook's secret cannot be opened", webhook=str(message.webhook_id), fault=str(fault))
            return self._judged(message, 0, fault="no_secret")
        signed = signed_headers(keys, message_id=str(message.message_id), timestamp_s=int(now.timestamp()), body=body)
        headers = {"Content-Type": "application/json", **signed}
        request = Request(
            "POST", message.url, self.schedule.timeout_s, headers=headers, body=body, most_read_bytes=MOST_KEPT_BYTES
        )
        begun_s = time.monotonic()
        try:
            answer = self._client.send(request, use="webhook")
        except OutgoingError as error:
            return self._judged(message, time.monotonic() - begun_s, fault=error.word)
        return self._judged(message, time.monotonic() - begun_s, answer=answer)

    def _judged(
        self, message: Claimed, took_s: float, *, answer: Answer | None = None, fault: str | None = None
    ) -> Result:
        retry_after = answer.headers.get("retry-after") if answer is not None and answer.status >= 300 else None
        verdict = self.schedule.judge(
            tries=self.schedule.most_tries if message.type == TEST_TYPE else message.tries,
            status=answer.status if answer is not None else None,
            fault=fault,
            retry_after_s=read_retry_after(retry_after, self._clock.now(), most_s=LONGEST_RETRY_AFTER_S),
            chance=random.random(),  # noqa: S311 (so that many do not come back in the same moment)
        )
        if message.type == TEST_TYPE and verdict.outcome == "gone":
            verdict = Verdict("failed", fault=verdict.fault)
        return Result(message, verdict, self._attempt(message, took_s, answer=answer, fault=verdict.fault))

    def _attempt(
        self, message: Claimed, took_s: float, *, answer: Answer | None = None, fault: str | None = None
    ) -> dict[str, Any]:
        kept: dict[str, Any] = {
            "at": moment_text(self._clock.now()), "ms": round(took_s * 1000), "url": message.url, "fault": fault,
            "status": answer.status if answer is not None else None,
        }  # fmt: skip
        if answer is None:
            return kept
        sealed = self._box.seal(answer.body, purpose=answer_purpose(message.id)) if answer.body else b""
        return kept | {
            "headers": kept_headers(answer.headers),
            "body": base64.b64encode(sealed).decode() if sealed else None,
            "is_whole": answer.is_whole,
        }
