"""A brand as a value, and the rules that need no database."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from .errors import ValueRefused

LANGUAGES = ("en", "ru")
MOST_LOGO_BYTES, MOST_LOGO_PIXELS = 200_000, 2_000
_DOMAIN = re.compile(r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]")
_COLOUR = re.compile(r"#[0-9a-f]{6}")
_LOCAL_PART = re.compile(r"[a-z0-9][a-z0-9._+-]{0,63}")
_PNG = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, kw_only=True)
class Brand:
    """How an agency looks. ``domain``: where its people open the console; ``mail_from``: who its letters come from.
    ``version`` 0: the agency has set nothing, and this is the platform's own look under the agency's name."""

    agency_id: UUID
    name: str
    colour: str = "#1f4e79"
    accent: str = "#c2571a"
    language: str = "en"
    domain: str | None = None
    mail_from: str
    logo: bytes | None = None
    updated_at: datetime | None = None
    version: int = 0

    @property
    def url(self) -> str:
        """Where its people go; empty: where everybody's do."""
        return f"https://{self.domain}" if self.domain else ""


def check_colour(text: str, field: str) -> str:
    """Raises ValueRefused."""
    kept = text.lower()
    if not _COLOUR.fullmatch(kept):
        raise ValueRefused(field, "must be a colour such as #1f4e79")
    return kept


def check_domain(text: str | None) -> str | None:
    """Raises ValueRefused."""
    if text is None:
        return None
    kept = text.strip().lower().rstrip(".")
    if len(kept) > 253 or not _DOMAIN.fullmatch(kept):
        raise ValueRefused("domain", "must be a host name such as calls.example.com")
    return kept


def check_mail_from(text: str | None, domain: str | None) -> str | None:
    """A sender on the brand's own domain, or on the one above it: nobody writes in another's name. Raises
    ValueRefused."""
    if text is None:
        return None
    local, at, host = text.strip().lower().rpartition("@")
    if not at or not _LOCAL_PART.fullmatch(local) or not _DOMAIN.fullmatch(host):
        raise ValueRefused("mail_from", "must be an e-mail address such as calls@example.com")
    if domain is None or not (domain == host or domain.endswith("." + host)):
        raise ValueRefused("mail_from", "must be at the brand's domain, or the domain that it is under")
    return f"{local}@{host}"


def check_logo(data: bytes | None) -> bytes | None:
    """A PNG of a sane size: it is served to browsers as it is. Raises ValueRefused."""
    if data is None:
        return None
    if len(data) > MOST_LOGO_BYTES:
        raise ValueRefused("logo", f"must have {MOST_LOGO_BYTES} bytes at most")
    if len(data) < 33 or not data.startswith(_PNG) or data[12:16] != b"IHDR":
        raise ValueRefused("logo", "must be a PNG image")
    width, height = struct.unpack(">II", data[16:24])
    if not (0 < width <= MOST_LOGO_PIXELS and 0 < height <= MOST_LOGO_PIXELS):
        raise ValueRefused("logo", f"must have {MOST_LOGO_PIXELS} pixels at most each way")
    return data
