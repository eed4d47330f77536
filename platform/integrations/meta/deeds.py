"""Calls as events at Meta, of the clicks that led to them, by the Conversions API."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import GiveUp, NothingToDo
from ..model import Check, Rate, System
from ..together import Row, Together
from ..work import Work
from .client import read_dataset, send_events
from .mapping import OLDEST, click, event, is_wanted, pretend
from .settings import MetaSecrets, MetaSettings


def _account(settings: MetaSettings, _secrets: MetaSecrets) -> str:
    return f"{settings.api_url.lower()} {settings.dataset_id}"


def _event_types(_settings: MetaSettings) -> Sequence[str]:
    return ("call.ended",)


def _row(work: Work) -> Row:
    if not is_wanted(work.call, work.settings):
        raise NothingToDo("not_wanted", "the settings do not want this call told")
    if click(work.call) is None:
        raise NothingToDo("no_click", "no advertisement of Meta's led to the call")
    if work.now - work.call.started_at > OLDEST:
        raise GiveUp("too_old", "Meta takes events of the last seven days only")
    return Row(event(work.call, work.settings))


def _test(work: Work) -> list[Check]:
    return [Check("dataset", True, str(read_dataset(work).get("name") or work.settings.dataset_id))]


META = System(
    name="meta",
    title="Meta",
    summary="Calls as events of the clicks on Facebook and Instagram that led to them.",
    settings=MetaSettings,
    secrets=MetaSecrets,
    # No figure is documented for events; what is too much is answered.
    rate=Rate(per_s=2.0, burst=10),
    account=_account,
    event_types=_event_types,
    together=Together(
        # 1,000 events would go. The event id makes a repetition harmless within two days.
        most=200, gather_s=60.0, row=_row, send=send_events,
    ),
    test=_test,
    pretend=pretend,
    is_advertising=True,
)  # fmt: skip
