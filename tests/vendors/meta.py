"""Meta's Conversions API, as far as calls need it, from its public documentation: one event that is too old or not
valid refuses the whole request, an event of the same name and id counts once, errors are of the Graph API.
"""

from __future__ import annotations

import re
import time
from typing import Any

from .server import Asked, Said, VendorServer

DATASET, TOKEN = "123456789012345", "EAAB-access-token-of-a-system-user"
_LONGEST_S = 7 * 86_400
_SOURCES = {"phone_call", "website", "physical_store", "chat", "system_generated", "business_messaging", "app", "email"}


class MetaServer(VendorServer):
    """One data set."""

    def __init__(self) -> None:
        #: By name and id: what counts.
        self.events: dict[tuple[str, str], dict[str, Any]] = {}
        self.test_events: list[dict[str, Any]] = []
        super().__init__()

    def handle(self, asked: Asked) -> Said:
        if asked.query.get("access_token") != TOKEN:
            return problem(400, 190, "Invalid OAuth access token.")
        if asked.path == f"/v25.0/{DATASET}":
            return Said(200, {"id": DATASET, "name": "Shop"})
        if asked.path != f"/v25.0/{DATASET}/events":
            return problem(404, 100, "Unsupported request.")
        data = asked.body.get("data", [])
        if not 1 <= len(data) <= 1000 or not all(map(_is_valid, data)):
            return problem(400, 100, "Invalid parameter")
        if asked.body.get("test_event_code"):
            self.test_events += data
        else:
            self.events |= {(one["event_name"], one["event_id"]): one for one in data}
        return Said(200, {"events_received": len(data), "messages": [], "fbtrace_id": f"trace-{len(self.requests)}"})


def _is_valid(event: dict[str, Any]) -> bool:
    age_s = time.time() - event["event_time"]
    user = event.get("user_data", {})
    click_fits = re.fullmatch(r"fb\.\d\.\d{13}\.[\w-]{1,500}", user.get("fbc") or "")
    hashes_fit = all(re.fullmatch("[0-9a-f]{64}", one) for one in user.get("ph", ()))
    return bool(0 <= age_s < _LONGEST_S and event["action_source"] in _SOURCES and click_fits and hashes_fit)


def problem(status: int, code: int, message: str) -> Said:
    """As the Graph API says no."""
    return Said(status, {"error": {"message": message, "type": "OAuthException", "code": code, "fbtrace_id": "x"}})
