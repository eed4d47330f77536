"""Exposures, calls and touches for the tests of attribution."""

import uuid
from datetime import UTC, datetime, timedelta

from dialtrace.attribution.model import CallSeen, Exposure, Source, Visit
from dialtrace.attribution.models import Touch

NOW = datetime(2026, 5, 4, 12, 0, tzinfo=UTC)
YANDEX = Source(channel="paid", source="yandex", campaign="brand")
GOOGLE = Source(channel="organic", source="google")
VK = Source(channel="social", source="vk")
DIRECT = Source(channel="direct", source="direct")


def visit_of(number, *, source=YANDEX, visitor=None):
    return Visit(
        id=uuid.UUID(int=number),
        started_at=NOW - timedelta(hours=number),
        visitor_id=visitor or f"v{number}",
        source=source,
    )


def exposure(number, *, shown_s, seen_s=0.0, source=YANDEX, visitor=None, **more):
    """A visit that saw the number from ``shown_s`` to ``seen_s`` seconds before NOW."""
    return Exposure(
        visit=visit_of(number, source=source, visitor=visitor),
        rung=more.pop("rung", "exclusive"),
        shown_at=NOW - timedelta(seconds=shown_s),
        seen_until=NOW - timedelta(seconds=seen_s),
        **more,
    )


def call(**more):
    return CallSeen(started_at=NOW, **more)


def touch(days, source=YANDEX, **more):
    return Touch(at=NOW - timedelta(days=days), source=source, **more)
