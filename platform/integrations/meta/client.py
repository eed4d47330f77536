"""Meta's Conversions API: how it is asked, and what its answers mean.

A refusal is `{"error": {"message", "type", "code", "error_subcode", "fbtrace_id"}}`, whatever its status
(developers.facebook.com/docs/graph-api/guides/error-handling).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from ..errors import Broken, GiveUp, Later, Retry
from ..model import Answer, Made, need_success
from ..together import Row
from ..work import Work

#: Too many requests, of the application, the user, the page or the account.
_BUSY = frozenset({4, 17, 32, 613})
#: The token is over or was withdrawn; a right is missing.
_SET_UP = frozenset({10, 190, 200})
_FAILING = frozenset({1, 2})
BUSY_REST_S = 300.0


def send_events(work: Work, batch: str, rows: Sequence[Row]) -> Made:
    """Raises Outcome."""
    body: dict[str, Any] = {"data": [one.value for one in rows]}
    if work.settings.test_event_code is not None:
        body["test_event_code"] = work.settings.test_event_code
    said = _judged(work, work.ask("POST", _url(work, "/events"), what="events", body=body))
    if said.get("events_received") is None:
        raise Retry("not_meta", "the answer does not say what was received: look at api_url", in_doubt=True)
    return Made(str(said.get("fbtrace_id") or batch))


def read_dataset(work: Work) -> Mapping[str, Any]:
    """Raises Outcome."""
    return _judged(work, work.ask("GET", _url(work, "", fields="id,name"), what="dataset"))


def _url(work: Work, path: str, **query: str) -> str:
    said = urlencode({**query, "access_token": work.secrets.access_token})
    return f"{work.settings.api_url}/{work.settings.dataset_id}{path}?{said}"


def _judged(work: Work, answer: Answer) -> Mapping[str, Any]:
    said = answer.json()
    error = said.get("error") if isinstance(said, dict) else None
    if not isinstance(error, dict):
        need_success(answer, work.now)
        return said if isinstance(said, dict) else {}
    code, detail = int(error.get("code") or 0), str(error.get("error_user_msg") or error.get("message", ""))
    if code in _BUSY or 80_000 <= code < 80_100:
        raise Later("rate_limited", detail, after_s=BUSY_REST_S)
    if code in _SET_UP:
        raise Broken(f"code_{code}", f"Meta does not accept the token or its rights: make a new one ({detail})")
    if code in _FAILING or answer.status >= 500:
        raise Retry(f"code_{code}", detail, in_doubt=True)
    raise GiveUp(f"code_{code}", detail)
