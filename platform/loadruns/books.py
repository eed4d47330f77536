"""The books of a load run: what callers saw, against the platform's records, against its recordings; and what we
counted from SIPp's messages, against SIPp's own statistics. Pure.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from ..demo.books import Line
from .generators import Counted
from .profile import Profile
from .seen import SeenCall

#: Differences that a report tells one by one.
MOST_TOLD = 20


def told(line: Line) -> dict[str, Any]:
    """A line for the document."""
    return {**asdict(line), "balances": line.balances}


def balance(
    profile: Profile, calls: Sequence[SeenCall], records: Mapping[str, Mapping[str, Any]]
) -> tuple[list[Line], list[str]]:
    """Every call that was sent has one record that says what its caller saw, and its recording; and what differs, call
    by call. ``records``: by SIP Call-ID."""
    sent = [call for call in calls if call.sent_s is not None]
    lines = [Line("calls sent / records", len(sent), sum(call.call_id in records for call in sent))]
    differs = [f"{call.call_id}: no record" for call in sent if call.call_id not in records]
    for kind in profile.calls:
        own = [call for call in sent if call.kind == kind.name]
        if not own:
            continue
        status, outcome = profile.expected(kind)
        outcomes = Counter(records[call.call_id]["outcome"] for call in own if call.call_id in records)
        lines.append(
            Line(f"{kind.name}: callers got {status} / records say {outcome}", _got(own, status), outcomes[outcome])
        )
    for call in sent:
        record = records.get(call.call_id)
        if record is not None and record["sip_status"] != call.status:
            differs.append(f"{call.call_id}: its caller got {call.status}, its record says {record['sip_status']}")
    answered = [call for call in sent if call.status == 200]
    found = [records[call.call_id] for call in answered if call.call_id in records]
    lines.append(
        Line("callers got 200 / records with an answer", len(answered), sum(bool(one["answered_at"]) for one in found))
    )
    lines.append(Line("status of callers / of records", len(sent), len(sent) - len(differs)))
    if profile.talk.record:
        connected = [one for one in found if one["outcome"] == "answered"]
        stored = sum(one["recording"] == "stored" for one in connected)
        lines.append(Line("connected calls / recordings stored", len(connected), stored))
        differs += [
            f"{one['sip_call_id']}: recording {one['recording']}" for one in connected if one["recording"] != "stored"
        ]
    return lines, differs[:MOST_TOLD]


def _got(calls: Sequence[SeenCall], status: int) -> int:
    return sum(call.status == status for call in calls)


def against_sipp(calls: Sequence[SeenCall], counted: Sequence[Counted]) -> list[Line]:
    """What was read from the messages, and what SIPp's own counters say."""
    sent = [call for call in calls if call.sent_s is not None]

    def counter(name: str) -> int:
        return sum(one.counters.get(name, 0) for one in counted)

    return [
        Line("INVITEs of calls / SIPp: invited", len(sent), counter("invited")),
        Line("200 to an INVITE / SIPp: answered", _got(sent, 200), counter("answered")),
        Line("refused / SIPp: refused", sum((call.status or 0) >= 300 for call in sent), counter("refused")),
    ]
