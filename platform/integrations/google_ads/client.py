"""Google's Data Manager API: how it is asked, and what its answers mean.

One event that is not valid refuses the whole request (400 with `google.rpc.Status`). What is taken is worked off later,
and the request's state says how many of it failed, and why, but not which
(github.com/googleapis/googleapis, google/ads/datamanager/v1).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from ..errors import Broken, GiveUp, Retry
from ..model import Answer, Made, need_success
from ..together import Row, processing
from ..tokens import renew_tokens
from ..work import Work
from .mapping import request

#: Reasons that are of the account or of what is set, not of an event.
_SET_UP: Mapping[str, str] = {
    "INVALID_CONVERSION_ACTION_ID": "the account has no such conversion action: look at conversion_action_id",
    "INVALID_CONVERSION_ACTION_TYPE": "the conversion action must be one that is imported from clicks (UPLOAD_CLICKS)",
    "OPERATING_ACCOUNT_LOGIN_ACCOUNT_MISMATCH": "access does not go through login_customer_id: look at it",
    "DESTINATION_ACCOUNT_NOT_ENABLED_ENHANCED_CONVERSIONS_FOR_LEADS": "switch enhanced conversions for leads on, or "
    "tell_caller off",
    "DESTINATION_ACCOUNT_ENHANCED_CONVERSIONS_TERMS_NOT_SIGNED": "accept the terms of enhanced conversions",
    "NOT_ALLOWLISTED": "Google does not let this project or account in",
    "PERMISSION_DENIED": "the token's user may not change the account, or the project has no Data Manager API",
}
#: Of a conversion that Google has already.
_THERE = frozenset({"DUPLICATE_TRANSACTION_ID", "DUPLICATE_GCLID"})
_PREFIXES = ("PROCESSING_ERROR_REASON_", "PROCESSING_ERROR_", "ERROR_REASON_")


def ingest(work: Work, events: Sequence[Mapping[str, Any]], *, validate_only: bool = False) -> Mapping[str, Any]:
    """Sends events; the answer. Raises Outcome."""
    body = request(work.settings, events, validate_only=validate_only)
    return _ask(work, "POST", "/v1/events:ingest", what="events:ingest", body=body)


def send_events(work: Work, _batch: str, rows: Sequence[Row]) -> Made:
    """Raises Outcome."""
    request_id = ingest(work, [one.value for one in rows]).get("requestId")
    if not request_id:
        raise Retry("not_data_manager", "the answer names no request: look at api_url", in_doubt=True)
    return Made(str(request_id))


def follow_events(work: Work, made: Made) -> None:
    """Raises Later while Google works on it, GiveUp where it could not carry all of it out, other Outcomes."""
    path = f"/v1/requestStatus:retrieve?{urlencode({'requestId': made.remote_id})}"
    found = _ask(work, "GET", path, what="requestStatus:retrieve").get("requestStatusPerDestination") or [{}]
    status = str(found[0].get("requestStatus"))
    if status == "SUCCESS":
        return
    counts = (found[0].get("errorInfo") or {}).get("errorCounts") or []
    reasons = {_reason(one.get("reason")): str(one.get("recordCount", "")) for one in counts}
    if status in {"FAILED", "PARTIAL_SUCCESS"}:
        if reasons and reasons.keys() <= _THERE:
            return
        detail = ", ".join(f"{name} {count}".strip() for name, count in sorted(reasons.items()))
        word = min(reasons.keys() - _THERE, default="not_processed").lower()
        raise GiveUp(word, f"Google took it and did not carry it out: {detail or status}")
    raise processing(f"request {made.remote_id} is {status}")


def _reason(value: Any) -> str:
    text = str(value)
    return next((text.removeprefix(one) for one in _PREFIXES if text.startswith(one)), text)


def _ask(work: Work, method: str, path: str, *, what: str, body: Any = None) -> Mapping[str, Any]:
    if not work.secrets.access_token and work.renewing is not None:
        _renew(work)
    answer = _send(work, method, path, what, body)
    if answer.status == 401:
        _renew(work)
        answer = _send(work, method, path, what, body)
    return _judged(work, answer)


def _send(work: Work, method: str, path: str, what: str, body: Any) -> Answer:
    headers = {"Authorization": f"Bearer {work.secrets.access_token or ''}"}
    if work.settings.project is not None:
        headers["x-goog-user-project"] = work.settings.project
    return work.ask(method, work.settings.api_url + path, what=what, body=body, headers=headers)


def _renew(work: Work) -> None:
    def ask(known: Any) -> Answer:
        form = {
            "grant_type": "refresh_token", "client_id": known.client_id, "client_secret": known.client_secret,
            "refresh_token": known.refresh_token,
        }  # fmt: skip
        return work.ask("POST", work.settings.token_url, what="token", form=form)

    renew_tokens(work, ask, refused=_token_refusal, rotates=False)


def _token_refusal(answer: Answer) -> Broken | None:
    said = answer.json()
    if answer.status < 400:
        return None
    code = str(said.get("error", "")) if isinstance(said, dict) else ""
    return Broken(code or "token_refused", f"Google renews no token ({code}): have the user grant access anew")


def _judged(work: Work, answer: Answer) -> Mapping[str, Any]:
    said = answer.json()
    error = said.get("error") if isinstance(said, dict) else None
    if not isinstance(error, dict):
        need_success(answer, work.now)
        return said if isinstance(said, dict) else {}
    reasons, detail = _reasons(error), str(error.get("message", ""))[:300]
    for reason in reasons:
        if reason in _SET_UP:
            raise Broken(reason.lower(), f"{_SET_UP[reason]} ({detail})")
    if answer.status == 400:
        raise GiveUp(reasons[0].lower() if reasons else "status_400", f"{', '.join(reasons)}: {detail}".strip(": "))
    need_success(answer, work.now, detail=detail)
    return {}


def _reasons(error: Mapping[str, Any]) -> list[str]:
    """Of a `google.rpc.Status`: of its ErrorInfo, of each field that is wrong, and its own."""
    found = []
    for detail in error.get("details") or []:
        found += [detail.get("reason"), *(one.get("reason") for one in detail.get("fieldViolations") or [])]
    found.append(error.get("status"))
    named = [_reason(one) for one in found if one]
    # "That an argument is not valid" says nothing beside the reason.
    return [one for one in dict.fromkeys(named) if one != "INVALID_ARGUMENT"] or named[:1]
