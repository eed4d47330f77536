"""Endpoints that will go: `Deprecation` (RFC 9745), `Sunset` (RFC 8594) and a link to what takes their place."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime


@dataclass(frozen=True, kw_only=True)
class Deprecated:
    """``since``: from when on it should not be used; ``until``: it answers at least until then (both UTC);
    ``instead``: operation id of its successor."""

    since: datetime
    until: datetime
    instead: str

    def headers(self) -> dict[str, str]:
        """What each of its answers carries."""
        return {
            "Deprecation": f"@{int(self.since.timestamp())}",
            "Sunset": format_datetime(self.until.astimezone(UTC), usegmt=True),
            "Link": f'</v1/reference#{self.instead}>; rel="deprecation"; type="text/html"',
        }

    def sentence(self) -> str:
        """For the reference."""
        return f"**Deprecated** since {self.since:%Y-%m-%d}: it goes after {self.until:%Y-%m-%d}. Use `{self.instead}`."
