"""What comes by itself and what runs in the background."""

from __future__ import annotations

from ..archive.service import CARE
from ..attribution.following import CATCH_UP, Follower
from ..attribution.teaching import LEARN, Teacher
from ..billing.closing import CLOSE, ENFORCE, Closer
from ..billing.rating import RATE, RERATE, Rater
from ..calls.whisper_sounds import RENDER, WhisperSounds
from ..carriers.returning import GIVE_BACK, GIVE_BACK_ALL
from ..carriers.service import FOLLOW, FOLLOW_ALL
from ..clock import SystemClock
from ..config import Settings
from ..db.engine import Database
from ..exports.making import MAKE, MAKE_TRIES, ExportMaker
from ..exports.scheduling import DUE, ExportSchedules
from ..jobs.model import LONG, Kind, Schedule
from ..jobs.service import JobQueue
from ..people.service import SEND_LINK
from ..privacy.service import CARRY_OUT
from ..reports.rolling import CHECK as CHECK_REPORTS
from ..reports.rolling import ROLL_UP, Roller
from ..reports.subscribing import BEGIN_DUE as BEGIN_REPORTS
from ..reports.subscribing import SEND as SEND_REPORT
from ..reports.subscribing import SEND_TRIES as REPORT_TRIES
from ..reports.subscribing import ReportSubscriptions
from .archive import build_archive
from .call_plane import build_prompts
from .carriers import build_carriers, build_returns
from .databases import build_database
from .mail import build_link_sender, build_report_sender
from .persons import build_privacy_work
from .stores import export_places

#: What comes by itself. Never two of one schedule at a time; times are UTC.
SCHEDULES: tuple[Schedule, ...] = (
    Schedule(name="tidy-jobs", cron="17 3 * * *", job="jobs.tidy"),
    Schedule(name="carry-out-requests", cron="* * * * *", job=CARRY_OUT, lane=LONG),
    Schedule(name="delete-due", cron="41 * * * *", job="privacy.delete_due", lane=LONG),
    Schedule(name="begin-due-exports", cron="* * * * *", job=DUE),
    Schedule(name="follow-orders", cron="*/5 * * * *", job=FOLLOW_ALL),
    Schedule(name="give-numbers-back", cron="*/5 * * * *", job=GIVE_BACK_ALL),
    Schedule(name="attribute-late-calls", cron="* * * * *", job=CATCH_UP),
    Schedule(name="rate-calls", cron="* * * * *", job=RATE),
    Schedule(name="close-months", cron="7 * * * *", job=CLOSE, lane=LONG),
    Schedule(name="enforce-payment", cron="*/5 * * * *", job=ENFORCE),
    Schedule(name="learn-attribution", cron="37 1 * * *", job=LEARN, lane=LONG),
    Schedule(name="render-whispers", cron="* * * * *", job=RENDER),
    Schedule(name="roll-up-reports", cron="*/5 * * * *", job=ROLL_UP, lane=LONG),
    Schedule(name="check-reports", cron="11 4 * * *", job=CHECK_REPORTS, lane=LONG),
    Schedule(name="begin-due-reports", cron="* * * * *", job=BEGIN_REPORTS),
    Schedule(name="care-for-partitions", cron="23 2 * * *", job=CARE, lane=LONG),
)


def build_jobs(settings: Settings, database: Database, queue: JobQueue) -> tuple[Kind, ...]:
    """Every job by name, with what runs for it (docs/howto/jobs.md)."""
    privacy = build_privacy_work(settings)
    maker = ExportMaker(database, export_places(settings, database))
    schedules = ExportSchedules(database, SystemClock(), queue)
    # A month of calls is rated anew by one statement.
    patient = build_database(settings, pool_size=3, statement_timeout_ms=1_800_000)
    rater, closer = Rater(patient, SystemClock()), Closer(patient, SystemClock())
    roller = Roller(patient, SystemClock())
    carriers = build_carriers(settings, database)
    returns = build_returns(database, carriers)
    return (
        Kind(name=FOLLOW_ALL, handler=carriers.follow_all),
        Kind(name=FOLLOW, handler=carriers.follow),
        Kind(name=GIVE_BACK_ALL, handler=returns.give_back_all),
        Kind(name=GIVE_BACK, handler=returns.give_back),
        Kind(name="jobs.tidy", handler=queue.tidy),
        Kind(name=CARRY_OUT, handler=privacy.requests.carry_out, longest_run_s=3600),
        Kind(name="privacy.delete_due", handler=privacy.retention.delete_due, longest_run_s=3600),
        Kind(name=SEND_LINK, handler=build_link_sender(settings, database).send, tries=12),
        Kind(name=DUE, handler=schedules.begin_due),
        Kind(name=CARE, handler=build_archive(settings).care, tries=5, longest_run_s=12 * 3600.0),
        Kind(name=RENDER, handler=WhisperSounds(database, build_prompts(settings, database)).render, longest_run_s=600),
        Kind(name=CATCH_UP, handler=Follower(database, SystemClock()).catch_up),
        Kind(name=RATE, handler=rater.rate, longest_run_s=1800),
        Kind(name=RERATE, handler=rater.rerate, tries=5, longest_run_s=6 * 3600.0),
        Kind(name=CLOSE, handler=closer.close_months, longest_run_s=3600),
        Kind(name=ENFORCE, handler=closer.enforce),
        Kind(name=LEARN, handler=Teacher(database, SystemClock()).learn_all, tries=3, longest_run_s=6 * 3600.0),
        Kind(name=ROLL_UP, handler=roller.roll_up, tries=3, longest_run_s=6 * 3600.0),
        Kind(name=CHECK_REPORTS, handler=roller.check_all, tries=3, longest_run_s=6 * 3600.0),
        Kind(name=BEGIN_REPORTS, handler=ReportSubscriptions(database, SystemClock(), queue).begin_due),
        Kind(
            name=SEND_REPORT,
            handler=build_report_sender(settings, database).send,
            tries=REPORT_TRIES,
            longest_run_s=600,
        ),
        Kind(name=MAKE, handler=maker.make, tries=MAKE_TRIES, longest_run_s=6 * 3600.0),
    )
