"""A call's facts as its file tells them."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from dialtrace.cdr.model import CallFacts


def facts_of(call_id: UUID, agency_id: UUID, client_id: UUID, talk_ms: int) -> CallFacts:
    started = datetime.fromtimestamp(int(datetime.now(UTC).timestamp()) - 60, UTC)
    return CallFacts(
        id=call_id, started_at=started.replace(second=0), node="node-1", number="+442079460123", outcome="answered",
        agency_id=agency_id, client_id=client_id, caller="+442079460999", answered_at=started, connected_at=started,
        ended_at=started + timedelta(seconds=5), talk_ms=talk_ms,
    )  # fmt: skip
