"""The job that sends a report to somebody who wants it: made at that moment, in his language, under his agency's
brand."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from urllib.parse import quote
from uuid import UUID, uuid5

from ..brands.model import Brand
from ..clock import Clock
from ..db.engine import Database
from ..jobs.model import Done, GiveUp, Job, Outcome, Retry
from ..mail.errors import MailError
from ..mail.model import Letter
from ..mail.service import Mailer
from ..metrics import REPORT_LETTERS
from ..people.model import User
from ..people.service import find_person
from . import subscription_store
from .errors import FontMissing
from .letters import make_letter
from .named import NamedReport
from .service import ReportService
from .subscription_model import Subscription, way_out
from .texts import Language


class ReportSender:
    """``brand_of``: under whose name an agency's letters go. ``api_url``: where the way out leads, unless the brand has
    an address of its own."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        reports: ReportService,
        mailer: Mailer,
        brand_of: Callable[[UUID], Brand],
        *,
        api_url: str,
    ) -> None:
        self._database = database
        self._clock = clock
        self._reports = reports
        self._mailer = mailer
        self._brand_of = brand_of
        self._api_url = api_url

    def send(self, job: Job) -> Outcome:
        """The job ``reports.send``. Whoever may not look any more is sent nothing."""
        agency_id, subscription_id = UUID(str(job.args["agency_id"])), UUID(str(job.args["subscription_id"]))
        day = date.fromisoformat(str(job.args["day"]))
        with self._database.tenant(agency_id) as connection:
            found = subscription_store.find_subscription(connection, agency_id, subscription_id)
            user = find_person(connection, agency_id, found.values.user_id) if found is not None else None
        if found is None or user is None or not _may_have(found, user):
            REPORT_LETTERS.labels("not_wanted").inc()
            return Done()
        try:
            self._mailer.send(self._letter(found, user, day))
        except FontMissing as error:
            REPORT_LETTERS.labels("retried").inc()
            return Retry(str(error))
        except MailError as error:
            REPORT_LETTERS.labels("retried" if error.retry_helps else "refused").inc()
            return Retry(str(error)) if error.retry_helps else GiveUp(str(error))
        REPORT_LETTERS.labels("sent").inc()
        with self._database.tenant(agency_id) as connection:
            subscription_store.advance_subscription(connection, found, {"last_sent_at": self._clock.now()})
        return Done()

    def _letter(self, found: Subscription, user: User, day: date) -> Letter:
        values, brand = found.values, self._brand_of(found.agency_id)
        language: Language = values.language or ("ru" if (user.language or brand.language) == "ru" else "en")
        made = self._reports.make_named(found.agency_id, values.client_id, values.kind, day)
        with self._database.tenant(found.agency_id) as connection:
            names = subscription_store.find_names(connection, found.agency_id, _ids_of(made))
            client = (
                subscription_store.find_client(connection, found.agency_id, values.client_id)
                if values.client_id is not None
                else None
            )
        token = way_out(found.agency_id, found.id, found.secret)
        return make_letter(
            made,
            language=language,
            whose=client[0] if client is not None else brand.name,
            names=names,
            files=values.files,
            id=str(uuid5(found.id, day.isoformat())),
            to=user.email,
            sender=brand.mail_from,
            sender_name=brand.name,
            colour=brand.colour,
            at=self._clock.now(),
            way_out=f"{brand.url or self._api_url}/v1/report-subscriptions/way-out?token={quote(token)}",
        )


def _may_have(found: Subscription, user: User) -> bool:
    return (
        found.values.enabled
        and user.state == "active"
        and user.client_id in {None, found.values.client_id}
        and "calls.read" in user.permissions
    )


def _ids_of(made: NamedReport) -> set[UUID]:
    """What lines name by ids."""
    return {
        UUID(str(value))
        for section in made.sections
        for line in section.report.lines
        for name, value in zip(section.report.question.by, line.key, strict=False)
        if name in {"target", "flow", "client"} and value is not None
    }
