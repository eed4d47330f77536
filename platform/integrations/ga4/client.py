"""The Measurement Protocol of Google Analytics: how it is asked, and what its answers mean.

Whatever arrives is answered with 2xx, a wrong secret and a bad event too; only the validation host says what is wrong
with an event, and it looks at no secret (developers.google.com/analytics, "Validating events").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from ..errors import Retry
from ..model import need_success
from ..work import Work


def collect(work: Work, body: Mapping[str, Any]) -> None:
    """Sends events. Raises Outcome."""
    answer = work.ask("POST", _url(work, "/mp/collect"), what="mp/collect", body=body)
    if answer.status >= 500:
        # It was not received: what was is answered with 2xx.
        raise Retry(f"status_{answer.status}", answer.text[:300])
    need_success(answer, work.now)


def validate(work: Work, body: Mapping[str, Any]) -> Sequence[str]:
    """What Google says is wrong with events, which are not processed; empty: nothing. Raises Outcome."""
    answer = need_success(
        work.ask("POST", _url(work, "/debug/mp/collect"), what="debug/mp/collect", body=body), work.now
    )  # fmt: skip
    said = answer.json()
    if not isinstance(said, dict) or not isinstance(said.get("validationMessages"), list):
        raise Retry("not_analytics", "the address does not answer as Google Analytics does: look at api_url")
    return [
        f"{one.get('fieldPath', '')}: {one.get('description', '')} ({one.get('validationCode', '')})"
        for one in said["validationMessages"]
    ]


def _url(work: Work, path: str) -> str:
    query = {"measurement_id": work.settings.measurement_id, "api_secret": work.secrets.api_secret}
    return f"{work.settings.api_url}{path}?{urlencode(query)}"
