"""Who carries letters."""

from __future__ import annotations

from ..clock import SystemClock
from ..config import Settings
from ..db.engine import Database
from ..mail.service import FileOutbox, Mailer, SmtpMailer
from ..people.links import LinkSender
from .brands import build_brands


def build_mailer(settings: Settings) -> Mailer:
    """A mail server where one is named, else a folder."""
    url = settings["DIALTRACE_SMTP_URL"]
    return SmtpMailer(url) if url else FileOutbox(settings.data_dir / "outbox")


def build_link_sender(settings: Settings, database: Database) -> LinkSender:
    """What writes invitations and resets."""
    host, port = settings.api_listen
    console = settings["DIALTRACE_CONSOLE_URL"].rstrip("/") or f"http://{host}:{port}"
    brands = build_brands(settings, database)
    return LinkSender(database, SystemClock(), build_mailer(settings), brands.brand_of, console_url=console)
