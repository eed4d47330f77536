"""Google Analytics' Measurement Protocol, from its public documentation: collect answers 204 to everything, whatever is
wrong with it, and keeps what is valid; the validation host keeps nothing and says what is wrong.
"""

from __future__ import annotations

import re
from typing import Any

from .server import Asked, Said, VendorServer

SECRET = "hXy3kZ1qT0-ab_CdEfGh12"
STREAM = "G-ABC123DEF4"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")
_RESERVED = ("google_", "ga_", "firebase_")
_CONSENTS = {"GRANTED", "DENIED"}


class Ga4Server(VendorServer):
    """One property with one stream and one secret."""

    def __init__(self) -> None:
        #: Every event that was processed, with the client that it is of.
        self.events: list[dict[str, Any]] = []
        super().__init__()

    def handle(self, asked: Asked) -> Said:
        faults = faults_of(asked.body)
        if asked.path == "/debug/mp/collect":
            return Said(200, {"validationMessages": faults})
        if asked.path != "/mp/collect":
            return Said(404, "Not Found")
        if not faults and (asked.query.get("measurement_id"), asked.query.get("api_secret")) == (STREAM, SECRET):
            said = {name: value for name, value in asked.body.items() if name != "events"}
            self.events += [{**said, **event} for event in asked.body["events"]]
        return Said(204, b"")


def faults_of(body: Any) -> list[dict[str, str]]:
    """As the validation host lists them."""
    faults: list[dict[str, str]] = []

    def fault(path: str, code: str) -> None:
        faults.append({"fieldPath": path, "description": f"{path} is not valid", "validationCode": code})

    if not isinstance(body, dict):
        fault("", "VALUE_INVALID")
        return faults
    if not body.get("client_id"):
        fault("client_id", "VALUE_REQUIRED")
    if not set((body.get("consent") or {}).values()) <= _CONSENTS:
        fault("consent", "VALUE_INVALID")
    events = body.get("events") or []
    if not 1 <= len(events) <= 25:
        fault("events", "EXCEEDED_MAX_ENTITIES" if events else "VALUE_REQUIRED")
    for event in events:
        name, params = event.get("name", ""), event.get("params", {})
        if not _NAME.fullmatch(name):
            fault("events.name", "NAME_INVALID")
        if name.startswith(_RESERVED):
            fault("events.name", "NAME_RESERVED")
        if len(params) > 25:
            fault("events.params", "EXCEEDED_MAX_ENTITIES")
        for key, value in params.items():
            if not _NAME.fullmatch(key):
                fault(f"events.params.{key}", "NAME_INVALID")
            if len(str(value)) > 100:
                fault(f"events.params.{key}", "VALUE_OUT_OF_BOUNDS")
    return faults
