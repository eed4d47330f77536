"""Who carries letters."""

from __future__ import annotations

from ..clock import SystemClock
from ..config import Settings
from ..db.engine import Database
from ..mail.service import FileOutbox, Mailer, SmtpMailer
from ..people.links import LinkSender
from ..reports.sending import ReportSender
from ..reports.service import ReportService
from .brands import build_brands


def build_mailer(settings: Settings) -> Mailer:
    """A mail server where one is named, else a folder."""
    url = settings["DIALTRACE_SMTP_URL"]
    return SmtpMailer(url) if url else FileOutbox(settings.data_dir / "outbox")


def build_link_sender(settings: Settings, database: Database) -> LinkSender:
    """What writes invitations and resets."""
    brands = build_brands(settings, database)
    return LinkSender(
        database, SystemClock(), build_mailer(settings), brands.brand_of, console_url=_console_url(settings)
    )


def build_report_sender(settings: Settings, database: Database) -> ReportSender:
    """What sends reports to those who have subscribed to them."""
    reports, brands = ReportService(database, SystemClock()), build_brands(settings, database)
    return ReportSender(
        database, SystemClock(), reports, build_mailer(settings), brands.brand_of, api_url=_console_url(settings)
    )


def _console_url(settings: Settings) -> str:
    """Where people go who have no brand's address."""
    host, port = settings.api_listen
    return settings["DIALTRACE_CONSOLE_URL"].rstrip("/") or f"http://{host}:{port}"
