"""What an amoCRM or Kommo account is told: the call itself, and what is made of a caller whom nobody there has.

The account drops a call whose number nobody has. So the call is told first; where it has no place, a lead with a
contact is made, and the call told again. That is the look-up too: a lead whose answer was lost has made the contact,
and then the call finds its place and nothing is made a second time.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import GiveUp, NothingToDo, Outcome, Retry
from ..model import Check, Made, Rate, System
from ..returning import Deal, Mark
from ..work import Work
from .client import PAGE, NoContact, Refused, add_call, each, find_call, make, read_account, read_page
from .mapping import UTM_CODES, call_item, deal_of, embedded, lead_item, pretend, unsorted_item
from .settings import AmocrmSecrets, AmocrmSettings


def _account(settings: AmocrmSettings, _secrets: AmocrmSecrets) -> str:
    return settings.account_url.lower()


def _event_types(_settings: AmocrmSettings) -> Sequence[str]:
    return ("call.ended",)


def _deliver(work: Work) -> None:
    if not work.call.caller:
        raise NothingToDo("no_caller", "the caller withheld his number, and the account knows calls by it")
    if work.made("unsorted") is not None or work.journal.find("unsorted") is not None:
        # It may be contact of a lead by now: told again the call would be there twice.
        _unsort(work)
        return
    try:
        _tell(work, what="calls")
    except NoContact as refusal:
        if work.settings.unknown_caller == "none":
            raise NothingToDo(
                "unknown_caller", "nobody there has the caller's number, and nothing is to be made"
            ) from refusal
        _place(work)


def _tell(work: Work, *, what: str) -> None:
    """``what`` names it in records."""
    kept = work.journal.find("call")
    since_s = int((kept.begun_at if kept is not None and kept.begun_at else work.call.started_at).timestamp())
    work.once(
        "call",
        lambda: add_call(work, call_item(work.call, work.settings), what=what),
        find=lambda: find_call(work, since_s),
        look_first=work.is_late,
    )


def _place(work: Work) -> None:
    """Makes somebody of the caller, so that the call has a place."""
    if work.settings.unknown_caller == "unsorted":
        _unsort(work)
        return
    work.once("lead", lambda: _make_lead(work))
    try:
        _tell(work, what="calls again")
    except NoContact as refusal:
        raise Retry(
            "not_found_yet", f"the account does not find the contact that it has made: {refusal.detail}"
        ) from refusal


def _make_lead(work: Work) -> Made:
    source = work.call.source
    codes: dict[str, int] = {}
    if any(getattr(source, word) for word in UTM_CODES):
        fields = each(work, "leads/custom_fields", {}, "custom_fields")
        codes = {str(one["code"]): int(one["id"]) for one in fields if one.get("code")}
    said = make(work, "leads/complex", lead_item(work.call, work.settings, codes))
    first = said[0] if isinstance(said, list) and said else {}
    return Made(str(first.get("id", "")), {"contact": first.get("contact_id")})


def _unsort(work: Work) -> None:
    kept = work.journal.find("unsorted")
    try:
        work.once("unsorted", lambda: _make_unsorted(work), find=lambda: _find_unsorted(work), look_first=work.is_late)
    except Refused as refusal:
        if kept is None:
            raise
        hint = "an answer was lost, and now the account refuses the entry, as it does with one that is there"
        raise GiveUp("in_doubt", f"{hint}: {refusal.detail}") from refusal


def _make_unsorted(work: Work) -> Made:
    said = make(work, "leads/unsorted/sip", unsorted_item(work.call, work.settings))
    made = embedded(said, "unsorted")
    return Made(str(made[0].get("uid", "")) if made else "")


def _find_unsorted(work: Work) -> Made | None:
    query = {"filter[category][]": "sip", "order[created_at]": "desc"}
    for one in each(work, "leads/unsorted", query, "unsorted"):
        if str((one.get("metadata") or {}).get("uniq")) == str(work.call.id):
            return Made(str(one.get("uid", "")))
    return None


def _read(work: Work, mark: Mark) -> tuple[list[Deal], bool]:
    query = {"filter[updated_at][from]": int(mark.since.timestamp()), "order[updated_at]": "asc"}
    # A page's number is all that the account takes: of what is skipped a part may be read again.
    rows = read_page(work, "leads", query, "leads", page=mark.skip // PAGE + 1)
    if not rows:
        return [], True
    currency = str(read_account(work).get("currency") or "")
    return [deal_of(row, currency) for row in rows], len(rows) < PAGE


def _test(work: Work) -> list[Check]:
    checks = [Check("account", True, str(read_account(work).get("name", "")))]
    if work.settings.pipeline_id is None:
        return checks
    try:
        known = {int(one["id"]) for one in each(work, "leads/pipelines", {}, "pipelines")}
    except Outcome as outcome:
        return [*checks, Check("pipeline", False, outcome.detail or outcome.word)]
    if work.settings.pipeline_id in known:
        return [*checks, Check("pipeline", True, str(work.settings.pipeline_id))]
    hint = f"the account has no pipeline {work.settings.pipeline_id}: it has {', '.join(map(str, sorted(known)))}"
    return [*checks, Check("pipeline", False, hint)]


AMOCRM = System(
    name="amocrm",
    title="amoCRM / Kommo",
    summary="Calls on the cards of leads and contacts, and a lead or an incoming lead of a new caller.",
    settings=AmocrmSettings,
    secrets=AmocrmSecrets,
    # Seven a second at most; whoever goes on beyond is blocked for all (developers.kommo.com, "Limits").
    rate=Rate(per_s=5.0, burst=5),
    account=_account,
    event_types=_event_types,
    deliver=_deliver,
    test=_test,
    pretend=pretend,
    read=_read,
)
