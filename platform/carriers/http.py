"""An adapter for carriers with an HTTP API: JSON, a bearer token, `Idempotency-Key`. An example to begin from; a
carrier of another dialect gets an adapter of its own beside it (docs/howto/carriers.md).

``GET /numbers?country=&prefix=&region=&kind=&limit=`` → ``{"data": [{"e164", "country", "region", "kind"}]}``;
``POST /orders`` ``{"e164", "reference"}``, ``POST /ports`` ``{"e164", "reference", "details"}``, ``GET /orders/{id}``,
``DELETE /orders/{id}`` → ``{"id", "state", "reason", "scheduled_for"}``; ``DELETE /numbers/{e164}``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Protocol
from urllib.parse import quote, urlencode

from ..outgoing.errors import OutgoingError
from ..outgoing.model import Answer, Request
from ..phone import is_e164
from .errors import CarrierAway, CarrierRefuses
from .model import Offer, Progress, Wanted, is_state

TIMEOUT_S = 15.0
_GONE = (404, 410)


class Sends(Protocol):
    """The platform's HTTP client (outgoing.service)."""

    def send(self, request: Request, *, use: str) -> Answer: ...


class HttpCarrier:
    """``base_url`` without a slash at its end."""

    def __init__(self, client: Sends, base_url: str, token: str | None) -> None:
        self._client = client
        self._base_url = base_url.rstrip("/")
        self._token = token

    def search(self, wanted: Wanted) -> Sequence[Offer]:
        told = {name: value for name, value in vars(wanted).items() if value is not None}
        rows = self._asked("GET", f"/numbers?{urlencode(told)}").get("data", [])
        offers = [
            Offer(str(row["e164"]), str(row.get("country", "")), row.get("region"), str(row.get("kind", "local")))
            for row in rows
            if isinstance(row, dict) and is_e164(str(row.get("e164")))
        ]
        return offers[: wanted.limit]

    def order(self, e164: str, *, reference: str) -> Progress:
        return _progress(self._asked("POST", "/orders", {"e164": e164, "reference": reference}, key=reference))

    def port_in(self, e164: str, details: Mapping[str, Any], *, reference: str) -> Progress:
        body = {"e164": e164, "reference": reference, "details": dict(details)}
        return _progress(self._asked("POST", "/ports", body, key=reference))

    def progress(self, reference: str) -> Progress:
        return _progress(self._asked("GET", f"/orders/{quote(reference, safe='')}"))

    def cancel(self, reference: str) -> Progress:
        return _progress(self._asked("DELETE", f"/orders/{quote(reference, safe='')}"))

    def release(self, e164: str) -> bool:
        answer = self._answered("DELETE", f"/numbers/{quote(e164, safe='')}")
        if answer.status in _GONE:
            return False
        _check(answer)
        return True

    def _asked(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> dict[str, Any]:
        answer = self._answered(method, path, body, key=key)
        _check(answer)
        return _document(answer)

    def _answered(self, method: str, path: str, body: Any = None, *, key: str | None = None) -> Answer:
        headers = {"Accept": "application/json"}
        headers |= {"Authorization": f"Bearer {self._token}"} if self._token else {}
        headers |= {"Idempotency-Key": f'"{key}"'} if key else {}
        headers |= {"Content-Type": "application/json"} if body is not None else {}
        content = json.dumps(body).encode() if body is not None else b""
        request = Request(method=method, url=self._base_url + path, headers=headers, body=content, timeout_s=TIMEOUT_S)
        try:
            return self._client.send(request, use="carrier")
        except OutgoingError as error:
            raise CarrierAway(str(error)) from error


def _check(answer: Answer) -> None:
    """Raises CarrierAway, CarrierRefuses."""
    if answer.status in {408, 409, 425, 429} or answer.status >= 500:
        raise CarrierAway(f"the carrier answered {answer.status}")
    if answer.status >= 300:
        raise CarrierRefuses(f"the carrier answered {answer.status}")


def _document(answer: Answer) -> dict[str, Any]:
    if not answer.body:
        return {}
    try:
        found = json.loads(answer.body)
    except ValueError as error:
        raise CarrierAway("the carrier's answer is no JSON") from error
    if not isinstance(found, dict):
        raise CarrierAway("the carrier's answer is no JSON object")
    return found


def _progress(document: Mapping[str, Any]) -> Progress:
    state = document.get("state")
    if not is_state(state):
        raise CarrierAway(f"the carrier tells a state that nobody knows: {str(state)[:40]!r}")
    when = document.get("scheduled_for")
    try:
        scheduled_for = date.fromisoformat(str(when)) if when else None
    except ValueError as error:
        raise CarrierAway("the carrier tells a day that is none") from error
    reference, reason = document.get("id"), document.get("reason")
    return Progress(
        state, str(reference)[:200] if reference else None, str(reason)[:500] if reason else None, scheduled_for
    )
