"""Calls in Yandex.Metrica, by file: as its report of calls, or as goals that were reached offline.

One user may send 5,000 requests a day, so a file holds the calls of ten minutes. A line that was sent cannot be taken
back and a repeated one may double: a file whose answer was lost is looked for by our id in its comment.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import GiveUp, NothingToDo
from ..model import Check, Rate, System
from ..together import Row, Together
from ..work import Work
from .client import find_file, follow_file, read_counter, send_file
from .mapping import OLDEST, identifier, is_wanted, line, pretend
from .settings import MetricaSecrets, MetricaSettings

_WINDOWS = {"calls": "offline_calls_extended_threshold", "conversions": "offline_conversion_extended_threshold"}


def _account(settings: MetricaSettings, secrets: MetricaSecrets) -> str:
    """A token's owner is counted as a whole."""
    return f"{settings.api_url.lower()} {secrets.token}"


def _event_types(_settings: MetricaSettings) -> Sequence[str]:
    return ("call.ended",)


def _row(work: Work) -> Row:
    call, settings = work.call, work.settings
    if not is_wanted(call, settings):
        raise NothingToDo("not_wanted", "the settings do not want this call told")
    known_by = identifier(call)
    if known_by is None:
        raise NothingToDo("no_client_id", "the visit's page had no Metrica, and no click of Yandex.Direct led to it")
    if call.visit is not None and work.now - call.visit.started_at > OLDEST:
        raise GiveUp("too_old", "Metrica joins calls to visits of the last 21 days only")
    return Row(line(call, settings, known_by), kind=known_by[0])


def _test(work: Work) -> list[Check]:
    counter = read_counter(work)
    checks = [Check("counter", True, str(counter.get("name") or counter.get("site") or work.settings.counter_id))]
    options = counter.get("offline_options") or {}
    if options.get(_WINDOWS[work.settings.upload]):
        return [*checks, Check("window", True, "visits of 21 days are joined")]
    hint = "only today's visits are joined: switch the extended window on (Settings, Data upload); it grows day by day"
    return [*checks, Check("window", False, hint)]


METRICA = System(
    name="metrica",
    title="Yandex.Metrica",
    summary="Calls by file, in Metrica's report of calls or as goals, of the visits that they came from.",
    settings=MetricaSettings,
    secrets=MetricaSecrets,
    # 5,000 a day for a token's owner (yandex.com/dev/metrika, "Quotas"); a burst for what waited.
    rate=Rate(per_s=0.055, burst=60),
    account=_account,
    event_types=_event_types,
    together=Together(
        # The delivery's own time bounds it: each call has two rows of ours to be written.
        most=200, gather_s=600.0, row=_row, send=send_file, find=find_file, follow=follow_file,
    ),
    test=_test,
    pretend=pretend,
    is_advertising=True,
)  # fmt: skip
