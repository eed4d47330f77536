"""A page of a site as its visitors' browsers open it: what swap.js would ask of `/t/…`, over real HTTP. The
demonstration and `loadtest/visitors.py` browse with it.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from ..errors import DialtraceError

TIMEOUT_S = 10.0
BROWSERS = {
    "desktop": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0 Safari/537.36",
    "mobile": "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
    " Version/18.1 Mobile/15E148 Safari/604.1",
}


class PageRefused(DialtraceError):
    """The platform does not answer a page as it should."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a page was told: its visit, and the number that it shows (E.164); None: the site's own stays."""

    visit_id: str
    visitor_id: str
    number: str | None


@dataclass(frozen=True)
class Pages:
    """The pages of one site. ``api_url``: where `/t/…` is; ``host``: one of the site's domains."""

    api_url: str
    token: str
    host: str

    def open(
        self, query: str, referrer: str, device: str, *, visitor: str | None = None, address: str | None = None
    ) -> Seen:
        """Opens a page, as its script would. ``address``: the loopback address that the browser has. Raises
        PageRefused."""
        said: dict[str, Any] = {
            "page": f"https://{self.host}/" + (f"?{query}" if query else ""),
            "referrer": referrer,
            "consent": "given",
        }
        if visitor is not None:
            said["visitor"] = visitor
        told = self._post("visit", said, device, address)
        if told is None or not told.get("visit"):
            raise PageRefused(f"{PageRefused.__doc__} It was told {told}.")
        shown = [show.get("number") for place in told["places"] for show in place["shows"]]
        number = next((one for one in shown if one), None)
        return Seen(told["visit"], told["visitor"], number.replace(" ", "") if number else None)

    def beat(self, seen: Seen, device: str, *, address: str | None = None) -> None:
        """A sign of life. Raises PageRefused."""
        self._post("beat", {"visit": seen.visit_id}, device, address)

    def leave(self, seen: Seen, device: str, *, address: str | None = None) -> None:
        """The page is left. Raises PageRefused."""
        self._post("leave", {"visit": seen.visit_id}, device, address)

    def click(self, seen: Seen, device: str, *, address: str | None = None) -> None:
        """The number is pressed. Raises PageRefused."""
        self._post("click", {"visit": seen.visit_id, "number": seen.number or ""}, device, address)

    def _post(self, what: str, said: Mapping[str, Any], device: str, address: str | None) -> dict[str, Any] | None:
        where = urlsplit(self.api_url)
        source = (address, 0) if address is not None else None
        line = http.client.HTTPConnection(where.hostname or "", where.port, timeout=TIMEOUT_S, source_address=source)
        headers = {"Origin": f"https://{self.host}", "User-Agent": BROWSERS[device], "Content-Type": "text/plain"}
        try:
            line.request("POST", f"/t/{self.token}/{what}", json.dumps(said).encode(), headers)
            answer = line.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException) as fault:
            raise PageRefused(f"{PageRefused.__doc__} {what}: {fault}") from fault
        finally:
            line.close()
        if answer.status not in {200, 204}:
            raise PageRefused(f"{PageRefused.__doc__} {what}: {answer.status} {body[:200].decode(errors='replace')}")
        document: dict[str, Any] | None = json.loads(body) if body else None
        return document
