"""The REST of a Bitrix24 portal: how it is asked, and what its answers mean.

An answer is `{"result": …, "time": …}` or `{"error": CODE, "error_description": …}`, and either may come with status
200. Codes are opaque words (github.com/bitrix24/b24restdocs, "Limits" and "Error codes", August 2026).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from ..errors import Broken, GiveUp, Later, Outcome, Retry
from ..model import Answer, need_success
from ..tokens import renew_tokens
from ..work import Work

#: The portal's bucket leaks two requests a second: after so long there is room for ten again.
BUSY_REST_S = 5.0
_BUSY = frozenset({"QUERY_LIMIT_EXCEEDED", "OVERLOAD_LIMIT"})
_FAILING = frozenset({"INTERNAL_SERVER_ERROR", "ERROR_UNEXPECTED_ANSWER"})
_SET_UP: Mapping[str, str] = {
    "NO_AUTH_FOUND": "the portal does not know the webhook or token: make a new one there",
    "INVALID_CREDENTIALS": "the portal does not accept the webhook or token: make a new one there",
    "insufficient_scope": "the webhook or application lacks a right: give it crm, telephony and tasks",
    "user_access_error": "the user of the webhook or application may not use it",
    "ACCESS_DENIED": "the portal's plan has no REST, or the user may not do this",
    "PORTAL_DELETED": "the portal is no more",
    "PAYMENT_REQUIRED": "the portal's licence is over",
    "invalid_grant": "the application's refresh token is over: install it again",
    "invalid_client": "client_id or client_secret is not the application's",
}


class Refused(GiveUp):
    """The portal refuses this request; whoever asked may know another way."""


def ask(work: Work, method: str, body: Mapping[str, Any]) -> Any:
    """The ``result``. An application's token that is over, or was never given, is renewed once. Raises Outcome; Refused
    for errors of the method itself."""
    if work.secrets.webhook_url is None and not work.secrets.access_token and work.renewing is not None:
        _renew(work)
    answer = _send(work, method, body)
    if _error(answer) == "expired_token" and work.secrets.webhook_url is None:
        _renew(work)
        answer = _send(work, method, body)
    return _result(work, answer)


def _send(work: Work, method: str, body: Mapping[str, Any]) -> Answer:
    if work.secrets.webhook_url is not None:
        base = work.secrets.webhook_url.rstrip("/")
        return work.ask("POST", f"{base}/{method}.json", what=method, body=body)
    if not work.settings.portal_url:
        raise Broken("no_portal", "set portal_url: an application's token does not say which portal it is of")
    said = {**body, "auth": work.secrets.access_token or ""}
    return work.ask("POST", f"{work.settings.portal_url}/rest/{method}.json", what=method, body=said)


def _error(answer: Answer) -> str | None:
    said = answer.json()
    return str(said["error"]) if isinstance(said, dict) and said.get("error") else None


def _result(work: Work, answer: Answer) -> Any:
    code, said = _error(answer), answer.json()
    if code is None:
        need_success(answer, work.now)
        if not isinstance(said, dict) or "result" not in said:
            detail = "the address does not answer as a portal's REST does: look at the webhook"
            raise Retry("not_bitrix24", detail, in_doubt=True)
        return said["result"]
    detail = f"{code}: {said.get('error_description', '')}"
    if code in _BUSY:
        raise Later("rate_limited", detail, after_s=BUSY_REST_S)
    if code == "OPERATION_TIME_LIMIT":
        reset_s = float((said.get("time") or {}).get("operating_reset_at") or 0) - work.now.timestamp()
        raise Later("time_limit", detail, after_s=min(max(reset_s, 30.0), 900.0))
    if code in _FAILING:
        raise Retry("portal_fails", detail, in_doubt=True)
    if code in _SET_UP:
        raise Broken(code.lower(), f"{_SET_UP[code]} ({detail})")
    if code == "expired_token":
        raise Broken(code, "the portal takes no token of ours: install the application again")
    if answer.status == 429 or answer.status >= 500:
        need_success(answer, work.now, detail=detail)
    raise Refused(code.lower(), detail)


def _renew(work: Work) -> None:
    def ask(known: Any) -> Answer:
        query = {
            "grant_type": "refresh_token", "client_id": known.client_id, "client_secret": known.client_secret,
            "refresh_token": known.refresh_token,
        }  # fmt: skip
        return work.ask("GET", f"{work.settings.token_url}?{urlencode(query)}", what="oauth.token")

    renew_tokens(work, ask, refused=_token_refusal)


def _token_refusal(answer: Answer) -> Broken | None:
    code = _error(answer)
    if code is None:
        return None
    return Broken(code.lower(), _SET_UP.get(code, f"the portal renews no token: {code}"))


def is_refused(outcome: Outcome, *codes: str) -> bool:
    """Whether the portal refused with one of these codes."""
    return isinstance(outcome, Refused) and outcome.word in {code.lower() for code in codes}
