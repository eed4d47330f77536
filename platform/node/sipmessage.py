"""What a SIP message tells, taken apart once: the headers that events and CDRs carry, and the reason of an ending."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from .causes import NUMBERS


@dataclass(slots=True)
class Headers:
    """A SIP message's facts, taken apart once."""

    call_id: str = ""
    from_tag: str = ""
    to_tag: str = ""
    full_from: str = ""
    full_to: str = ""
    full_via: str = ""
    cseq: str = ""
    extra: dict[str, str] = field(default_factory=dict)


#: P- headers that the switch reads itself, under names of their own.
_OWN_VARIABLES = frozenset(("p-asserted-identity", "p-preferred-identity"))


def _header_text(message: Any, name: str) -> str:
    found = message.getHFs(name)
    return str(found[0].getBody()) if found else ""


def read_headers(message: Any) -> Headers:
    """The facts of a request or response that events and CDRs carry."""
    own = {name: _header_text(message, name) for name in ("call-id", "from", "to", "via", "cseq")}
    extra = {}
    for header in message.headers:
        if (header.name.startswith(("x-", "p-")) and header.name not in _OWN_VARIABLES) or header.name == "diversion":
            extra[_title(header.name)] = str(header.getBody())
    from_tag = message.getHFBody("from").getTag() or ""
    to_tag = message.getHFBody("to").getTag() or ""
    number = own["cseq"].split(" ")[0]
    return Headers(own["call-id"], from_tag, to_tag, own["from"], own["to"], own["via"], number, extra)


def _title(name: str) -> str:
    return "-".join(part.capitalize() for part in name.split("-"))


def reason_of(event: Any) -> str:
    return "" if event.reason_rfc3326 is None else str(event.reason_rfc3326)


def cause_of(event: Any) -> str:
    """The cause that a peer's Reason header names (Q.850 only), preferred over the status; empty without one."""
    found = re.match(r"\s*Q\.850\s*;\s*cause=\s*(\d+)", reason_of(event), re.IGNORECASE)
    if not found:
        return ""
    number = int(found[1])
    return next((name for name, own in NUMBERS.items() if own == number and 0 < number < 128), "")
