"""Gateways: trunks that know us by a password, as a switch reads them from a file. Pure.

The file is FreeSWITCH's own form (`freeswitch/sip_profiles/external.xml` includes it; the embedded node reads it too).
A gateway bears its trunk's name, so that a plan says `sofia/gateway/<trunk>/<number>` and nothing more.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from xml.sax.saxutils import escape

_QUOTES = {'"': "&quot;", "'": "&apos;"}


@dataclass(frozen=True, slots=True)
class Gateway:
    """What a switch must know to answer a trunk's 401 or 407."""

    name: str
    host: str
    port: int | None
    username: str
    password: str = field(repr=False)

    @property
    def digest(self) -> str:
        """Tells whether it has changed; says nothing of the password to who does not know it already."""
        return hashlib.sha256(gateway_file(self).encode()).hexdigest()


def gateway_file(gateway: Gateway) -> str:
    """The file. It registers nowhere; callers' numbers stay in From, as with trunks that know our address."""
    where = gateway.host if gateway.port is None else f"{gateway.host}:{gateway.port}"
    told = {
        "username": gateway.username,
        "password": gateway.password,
        "proxy": where,
        "realm": gateway.host,
        "from-domain": gateway.host,
        "register": "false",
        "caller-id-in-from": "true",
    }
    lines = (f'    <param name="{name}" value="{escape(value, _QUOTES)}"/>' for name, value in told.items())
    body = "\n".join(lines)
    return f'<include>\n  <gateway name="{gateway.name}">\n{body}\n  </gateway>\n</include>\n'
