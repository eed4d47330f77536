"""Google's Data Manager API and its token server, as far as conversions need them, from the protocol's public
definition (github.com/googleapis/googleapis, google/ads/datamanager/v1): one invalid event refuses all, what is taken
is worked off later, and only counts by reason tell what failed.
"""

from __future__ import annotations

import re
from typing import Any

from .server import Asked, Said, VendorServer

CUSTOMER, ACTION = "1234567890", "111222333"
SECRETS = {"client_id": "1.apps", "client_secret": "very secret", "refresh_token": "refresh-token-long"}
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_CLICKS = {"gclid", "gbraid", "wbraid"}


class GoogleAdsServer(VendorServer):
    """One account with one conversion action."""

    def __init__(self) -> None:
        #: By transaction id: what is counted.
        self.conversions: dict[str, dict[str, Any]] = {}
        self.requests_taken: dict[str, list[dict[str, Any]]] = {}
        #: Click ids that the account does not know, which is found out when an event is worked off.
        self.unknown: set[str] = set()
        self.slowness = 0
        self.access, self.renewals = "nobody has this one", 0
        self._looks: dict[str, int] = {}
        super().__init__()

    def expire(self) -> None:
        """The access token that was given last is over."""
        self.access = "nobody has this one"

    def handle(self, asked: Asked) -> Said:
        if asked.path == "/token":
            return self._token(asked.body or {})
        if asked.headers.get("authorization") != f"Bearer {self.access}":
            return problem(401, "UNAUTHENTICATED", "invalid authentication credentials")
        if asked.path == "/v1/events:ingest":
            return self._ingest(asked.body or {})
        if asked.path == "/v1/requestStatus:retrieve":
            return self._status(asked.query.get("requestId", ""))
        return problem(404, "NOT_FOUND", "there is no such method")

    def _token(self, form: dict[str, str]) -> Said:
        if form.get("refresh_token") != SECRETS["refresh_token"] or form.get("grant_type") != "refresh_token":
            return Said(400, {"error": "invalid_grant", "error_description": "Token has been expired or revoked."})
        self.renewals += 1
        self.access = f"ya29.access-token-{self.renewals}"
        return Said(200, {"access_token": self.access, "expires_in": 3599, "token_type": "Bearer"})

    def _ingest(self, body: dict[str, Any]) -> Said:
        for destination in body["destinations"]:
            if destination["operatingAccount"]["accountId"] != CUSTOMER:
                return problem(403, "PERMISSION_DENIED", "The caller does not have permission")
            if destination["productDestinationId"] != ACTION:
                return invalid("destinations[0].product_destination_id", "INVALID_CONVERSION_ACTION_ID")
        if not 1 <= len(body["events"]) <= 2000:
            return invalid("events", "TOO_MANY_EVENTS")
        for at, event in enumerate(body["events"]):
            fault = fault_of(event)
            if fault is not None:
                return invalid(f"events.events[{at}].{fault[0]}", fault[1])
        if body.get("validateOnly"):
            return Said(200, {})
        id_ = f"request-{len(self.requests_taken) + 1}"
        self.requests_taken[id_] = body["events"]
        return Said(200, {"requestId": id_})

    def _status(self, id_: str) -> Said:
        if id_ not in self.requests_taken:
            return problem(404, "NOT_FOUND", "there is no such request")
        self._looks[id_] = self._looks.get(id_, 0) + 1
        if self._looks[id_] <= self.slowness:
            return Said(200, {"requestStatusPerDestination": [{"requestStatus": "PROCESSING"}]})
        events, counts = self.requests_taken[id_], dict[str, int]()
        for event in events:
            reason = self._work_off(id_, event)
            if reason is not None:
                counts[reason] = counts.get(reason, 0) + 1
        failed = sum(counts.values())
        status = "SUCCESS" if not failed else "FAILED" if failed == len(events) else "PARTIAL_SUCCESS"
        told: dict[str, Any] = {"requestStatus": status, "eventsIngestionStatus": {"recordCount": str(len(events))}}
        if counts:
            errors = [{"recordCount": str(count), "reason": reason} for reason, count in counts.items()]
            told["errorInfo"] = {"errorCounts": errors}
        return Said(200, {"requestStatusPerDestination": [told]})

    def _work_off(self, id_: str, event: dict[str, Any]) -> str | None:
        if set(event["adIdentifiers"].values()) & self.unknown:
            return "PROCESSING_ERROR_REASON_INVALID_GCLID"
        before = self.conversions.setdefault(event["transactionId"], {**event, "of": id_})
        return None if before["of"] == id_ else "PROCESSING_ERROR_REASON_DUPLICATE_TRANSACTION_ID"


def fault_of(event: dict[str, Any]) -> tuple[str, str] | None:
    """The first that is wrong with an event: its place and the reason."""
    if not _MOMENT.fullmatch(event.get("eventTimestamp", "")):
        return "event_timestamp", "EVENT_TIME_INVALID"
    identifiers = event.get("userData", {}).get("userIdentifiers", [])
    if not event.get("adIdentifiers") and not identifiers:
        return "ad_identifiers", "NO_IDENTIFIERS_PROVIDED"
    if event.get("adIdentifiers", {}).keys() - _CLICKS:
        return "ad_identifiers", "INVALID_FORMAT"
    for one in identifiers:
        if not re.fullmatch("[0-9a-f]{64}", one.get("phoneNumber", "")):
            return "user_data", "INVALID_HEX_ENCODING"
    if not re.fullmatch("[A-Z]{3}", event.get("currency", "EUR")):
        return "currency", "INVALID_CURRENCY_CODE"
    if any(len(value) > 100 for value in event.get("adIdentifiers", {}).values()):
        return "ad_identifiers", "INVALID_FORMAT"
    return None


def invalid(field: str, reason: str) -> Said:
    """As a request is refused for a field."""
    violations = [{"field": field, "description": "not valid", "reason": reason}]
    return problem(400, "INVALID_ARGUMENT", "There was a problem with the request.", violations)


def problem(status: int, code: str, message: str, violations: Any = ()) -> Said:
    """A `google.rpc.Status`."""
    error: dict[str, Any] = {"code": status, "message": message, "status": code}
    if violations:
        error["details"] = [
            {"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": list(violations)}
        ]  # fmt: skip
    return Said(status, {"error": error})
