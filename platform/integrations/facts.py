"""What an integration is told of a call: values, made of what is stored at the moment of sending. No I/O.

Must not know any system.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

Consent = Literal["given", "refused", "not_asked"]
#: Outcomes at which the caller spoke with somebody, or with a mailbox.
TALKED = frozenset({"answered", "voicemail"})


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFacts:
    """Which advertisement the call came from; None: not known."""

    channel: str | None = None
    source: str | None = None
    medium: str | None = None
    campaign: str | None = None
    content: str | None = None
    keyword: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VisitFacts:
    """The visit that the call belongs to."""

    id: UUID
    started_at: datetime
    consent: Consent
    landing_page: str = ""
    referrer: str | None = None
    pages: int = 1
    device: str = "other"
    click_ids: Mapping[str, str] = field(default_factory=dict)
    #: Who the visitor is to analytics systems (sites.analytics_ids).
    analytics_ids: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFacts:
    """One call. ``outcome`` None: it stands at this moment. ``caller`` None: withheld, or erased."""

    id: UUID
    agency_id: UUID
    client_id: UUID
    number: str
    started_at: datetime
    number_id: UUID | None = None
    number_label: str = ""
    caller: str | None = None
    ended_at: datetime | None = None
    outcome: str | None = None
    ring_ms: int = 0
    talk_ms: int = 0
    target_id: UUID | None = None
    target_name: str | None = None
    is_test: bool = False
    source: SourceFacts = SourceFacts()
    visit: VisitFacts | None = None

    @property
    def is_over(self) -> bool:
        return self.outcome is not None

    @property
    def is_missed(self) -> bool:
        """Whether it ended without anybody to talk to; one that was blocked was not missed."""
        return self.outcome is not None and self.outcome not in TALKED and self.outcome != "blocked"

    @property
    def talk_s(self) -> int:
        return round(self.talk_ms / 1000)

    @property
    def may_advertise(self) -> bool:
        """Whether anything of it may be told to an advertising system: only where the visitor's consent is on the
        record, and never where nobody knows the visit."""
        return self.visit is not None and self.visit.consent == "given"


def nobody(agency_id: UUID, client_id: UUID, call_id: UUID, now: datetime) -> CallFacts:
    """A call that never was, where the other side is asked and told of none."""
    return CallFacts(id=call_id, agency_id=agency_id, client_id=client_id, number="", started_at=now, is_test=True)
