"""The management API of Yandex.Metrica: how files are sent, and what its answers mean.

A refusal is `{"errors": [{"error_type", "message", "location"}], "code", "message"}` with its own status; a quota's is
429 with an error_type that begins with `quota_` (yandex.com/dev/metrika, "Errors").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from ..errors import Broken, GiveUp, Later, Retry
from ..forms import form_with_file
from ..model import Answer, Made, need_success
from ..together import Row, processing
from ..work import Work
from .mapping import written

#: Of each kind of file: where it goes, where they are listed, where one is asked for.
_PLACES: Mapping[str, tuple[str, str, str]] = {
    "calls": ("upload_calls", "calls_uploadings", "calls_uploading"),
    "conversions": ("upload", "uploadings", "uploading"),
}
#: A quota that says nothing of its own time; the one of a day ends at midnight.
QUOTA_REST_S = 300.0
LISTED = 100
MOST_LISTED = 1000
_SET_UP = {
    "unauthorized": "Metrica does not accept the token: make a new one",
    "invalid_token": "Metrica does not accept the token: make a new one",
    "access_denied": "the token's owner may not change this counter, or it lacks metrika:write",
    "not_found": "there is no such counter: look at counter_id",
}


def send_file(work: Work, batch: str, rows: Sequence[Row]) -> Made:
    """Sends lines as one file, under our id. Raises Outcome."""
    settings = work.settings
    query = {"comment": _comment(batch)}
    if settings.upload == "calls" and settings.goal:
        query["new_goal_name"] = settings.goal
    media_type, body = form_with_file(
        "file", f"{settings.upload}.csv", "text/csv", written([one.value for one in rows])
    )
    answer = _ask(
        work,
        "POST",
        f"{_PLACES[settings.upload][0]}?{urlencode(query)}",
        body=body,
        headers={"Content-Type": media_type},
    )
    uploading = answer.get("uploading")
    if not isinstance(uploading, dict) or not uploading.get("id"):
        raise Retry("not_metrica", "the answer names no upload: look at api_url", in_doubt=True)
    return Made(str(uploading["id"]))


def find_file(work: Work, batch: str) -> Made | None:
    """The file that was sent under our id, among the latest. Raises Outcome."""
    for offset in range(1, MOST_LISTED, LISTED):
        query = urlencode({"limit": LISTED, "offset": offset})
        found = _ask(work, "GET", f"{_PLACES[work.settings.upload][1]}?{query}").get("uploadings") or []
        for one in found:
            if one.get("comment") == _comment(batch):
                return Made(str(one["id"]))
        if len(found) < LISTED:
            break
    return None


def follow_file(work: Work, made: Made) -> None:
    """Raises Later while Metrica works on the file, GiveUp where it knows nobody of it, other Outcomes."""
    found = _ask(work, "GET", f"{_PLACES[work.settings.upload][2]}/{made.remote_id}").get("uploading") or {}
    status = str(found.get("status"))
    if status == "PROCESSED":
        return
    if status == "LINKAGE_FAILURE":
        detail = (
            f"Metrica knows none of the visitors in file {made.remote_id} within 21 days: is the extended window of "
            "offline data on (Settings, Data upload), and the counter that of the site?"
        )
        raise GiveUp("linkage_failure", detail)
    raise processing(f"file {made.remote_id} is {status}")


def read_counter(work: Work) -> Mapping[str, Any]:
    """The counter, as Metrica has it. Raises Outcome."""
    url = f"{work.settings.api_url}/management/v1/counter/{work.settings.counter_id}"
    answer = _judged(work, work.ask("GET", url, what="counter", headers=_headers(work)))
    counter = answer.get("counter")
    if not isinstance(counter, dict):
        raise Retry("not_metrica", "the address does not answer as Metrica does: look at api_url")
    return counter


def _comment(batch: str) -> str:
    return f"dialtrace {batch}"


def _headers(work: Work) -> dict[str, str]:
    return {"Authorization": f"OAuth {work.secrets.token}"}


def _ask(
    work: Work, method: str, place: str, *, body: bytes | None = None, headers: Mapping[str, str] | None = None
) -> Mapping[str, Any]:
    url = f"{work.settings.api_url}/management/v1/counter/{work.settings.counter_id}/offline_conversions/{place}"
    what = place.partition("?")[0].partition("/")[0]
    return _judged(work, work.ask(method, url, what=what, body=body, headers=_headers(work) | dict(headers or {})))


def _judged(work: Work, answer: Answer) -> Mapping[str, Any]:
    said = answer.json()
    errors = said.get("errors") if isinstance(said, dict) else None
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    word = str(first.get("error_type") or "")
    detail = str(first.get("message") or (said or {}).get("message") or "") if isinstance(said, dict) else ""
    if word.startswith("quota_") or word == "limit_exceeded" or answer.status == 429:
        asked = answer.headers.get("retry-after", "")
        raise Later("rate_limited", detail or word, after_s=float(asked) if asked.isdigit() else QUOTA_REST_S)
    if word in _SET_UP:
        raise Broken(word, f"{_SET_UP[word]} ({detail})")
    need_success(answer, work.now, detail=f"{word}: {detail}".strip(": "))
    return said if isinstance(said, dict) else {}
