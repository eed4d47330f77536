"""The API v4 of amoCRM and Kommo: how it is asked, and what its answers mean.

A refusal is `{"title", "type", "status", "detail", "validation-errors"}`; a list of things to make may be answered 200
with `errors` for those that were not made, and 400 where none was. Empty lists are 204 (developers.kommo.com).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from ..errors import Broken, GiveUp, Retry
from ..model import Answer, Made, need_success
from ..tokens import renew_tokens
from ..work import Work
from .mapping import embedded

#: Pages of a list that are looked through for something of ours.
MOST_PAGES = 4
PAGE = 250
#: Their clock may be behind ours.
CLOCKS_S = 300


class Refused(GiveUp):
    """The account refuses what was to be made; whoever asked may know another way."""


class NoContact(GiveUp):
    """Nobody in the account has the caller's number, so the call was not added."""


def add_call(work: Work, item: Mapping[str, Any], *, what: str = "calls") -> Made:
    """Raises NoContact, other Outcomes."""
    answer = send(work, "POST", "calls", body=[item], what=what)
    said = answer.json()
    made = embedded(said, "calls")
    if made:
        return Made(str(made[0].get("id", "")), {"entity": made[0].get("entity_type"), "of": made[0].get("entity_id")})
    if isinstance(said, dict) and said.get("errors"):
        raise NoContact("no_contact", _details(said["errors"]))
    _need(work, answer)
    raise Retry("not_amocrm", "the answer names no call: look at account_url", in_doubt=True)


def find_call(work: Work, since_s: int) -> Made | None:
    """The call that has our id, among the notes of calls. Raises Outcome."""
    for kind in ("leads", "contacts", "companies"):
        query = {"filter[note_type][]": "call_in", "filter[updated_at][from]": since_s - CLOCKS_S}
        for note in each(work, f"{kind}/notes", query, "notes"):
            if str((note.get("params") or {}).get("uniq")) == str(work.call.id):
                return Made(str(note.get("id", "")), {"entity": kind, "of": note.get("entity_id")})
    return None


def each(work: Work, path: str, query: Mapping[str, Any], name: str) -> Sequence[Mapping[str, Any]]:
    """What a list has, its first pages. Raises Outcome."""
    found: list[Mapping[str, Any]] = []
    for page in range(1, MOST_PAGES + 1):
        rows = read_page(work, path, query, name, page=page)
        found += rows
        if len(rows) < PAGE:
            break
    return found


def read_page(work: Work, path: str, query: Mapping[str, Any], name: str, *, page: int) -> Sequence[Mapping[str, Any]]:
    """One page of a list, the first being 1. Raises Outcome."""
    answer = send(work, "GET", path, query={**query, "limit": PAGE, "page": page})
    _need(work, answer)
    return embedded(answer.json(), name)


def make(work: Work, path: str, item: Mapping[str, Any]) -> Any:
    """What making one thing is answered. Raises Refused, other Outcomes."""
    answer = send(work, "POST", path, body=[item])
    said = answer.json()
    if answer.status == 400:
        raise Refused("status_400", _refusal(said))
    _need(work, answer)
    if isinstance(said, dict) and said.get("errors"):
        raise Refused("not_made", _details(said["errors"]))
    return said


def read_account(work: Work) -> Mapping[str, Any]:
    """Raises Outcome."""
    answer = send(work, "GET", "account")
    _need(work, answer)
    said = answer.json()
    if not isinstance(said, dict) or "id" not in said:
        raise Retry("not_amocrm", "the address does not answer as an account does: look at account_url")
    return said


def send(
    work: Work, method: str, path: str, *, body: Any = None, query: Mapping[str, Any] | None = None, what: str = ""
) -> Answer:
    """The answer; an application's token that is over, or was never given, is renewed once. Raises Outcome."""
    is_application = work.secrets.token is None
    if is_application and not work.secrets.access_token and work.renewing is not None:
        _renew(work)

    def ask() -> Answer:
        url = f"{work.settings.account_url}/api/v4/{path}" + (f"?{urlencode(query)}" if query else "")
        headers = {"Authorization": f"Bearer {work.secrets.token or work.secrets.access_token or ''}"}
        return work.ask(method, url, what=what or path, body=body, headers=headers)

    answer = ask()
    if answer.status == 401 and is_application:
        _renew(work)
        answer = ask()
    return answer


def _renew(work: Work) -> None:
    def ask(known: Any) -> Answer:
        body = {
            "client_id": known.client_id, "client_secret": known.client_secret, "grant_type": "refresh_token",
            "refresh_token": known.refresh_token, "redirect_uri": known.redirect_uri,
        }  # fmt: skip
        return work.ask("POST", f"{work.settings.account_url}/oauth2/access_token", what="access_token", body=body)

    renew_tokens(work, ask, refused=_token_refusal)


def _token_refusal(answer: Answer) -> Broken | None:
    if answer.status < 400:
        return None
    detail = "the account renews no token: its refresh token is over after three months without use; grant access anew"
    return Broken("token_refused", f"{detail} ({_refusal(answer.json())})")


def _need(work: Work, answer: Answer) -> None:
    """Raises Outcome for what is no success."""
    detail = _refusal(answer.json())
    if answer.status == 401:
        raise Broken("status_401", f"the token is over or was withdrawn: make a new one ({detail})")
    if answer.status == 402:
        raise Broken("status_402", "the account is not paid for")
    if answer.status == 403:
        hint = "the token's user lacks the right, or the account has blocked our address for asking too fast"
        raise Broken("status_403", f"{hint} ({detail})")
    need_success(answer, work.now, detail=detail)


def _refusal(said: Any) -> str:
    if not isinstance(said, dict):
        return ""
    faults = [
        f"{one.get('path', '')}: {one.get('detail') or one.get('code', '')}"
        for item in said.get("validation-errors") or []
        for one in item.get("errors") or []
    ]
    return "; ".join(filter(None, (str(said.get("detail") or said.get("title") or said.get("hint") or ""), *faults)))[
        :400
    ]


def _details(errors: Any) -> str:
    return "; ".join(str(one.get("detail") or one.get("title") or one) for one in errors if isinstance(one, dict))[:300]
