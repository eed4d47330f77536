"""Who carries letters: a mail server, or a folder that people and tests look into. Must not know what letters say."""

from __future__ import annotations

import os
import smtplib
import ssl
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from .errors import MailError, MailRefused, MailSettingsFaulty
from .model import Letter, message_of

__all__ = ["FileOutbox", "Letter", "MailError", "MailRefused", "MailSettingsFaulty", "Mailer", "SmtpMailer"]

TIMEOUT_S = 20.0
_PORTS = {"smtp": 587, "smtps": 465}
_PERMANENT = 500


class Mailer(Protocol):
    """Takes letters."""

    def send(self, letter: Letter) -> None:
        """It is taken when this returns. Raises MailError."""


class FileOutbox:
    """Keeps each letter as a file (`<id>.eml`) for whoever looks there; nothing is sent."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def send(self, letter: Letter) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._folder / f"{letter.id}.eml"
        part = path.with_suffix(".part")
        # A letter holds a link that opens an account.
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(message_of(letter).as_bytes())
        part.replace(path)


class SmtpMailer:
    """Sends by a mail server. `smtp://` begins in the clear and insists on STARTTLS; `smtps://` is TLS from the first
    byte. Without TLS only where the address ends in `?tls=none`."""

    def __init__(self, url: str, *, context: ssl.SSLContext | None = None) -> None:
        """Raises MailSettingsFaulty."""
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname or parts.query not in {"", "tls=none"}:
            raise MailSettingsFaulty
        self._is_tls = parts.scheme == "smtps"
        self._starts_tls = parts.scheme == "smtp" and parts.query != "tls=none"
        self._host, self._port = parts.hostname, parts.port or _PORTS[parts.scheme]
        self._login = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
        self._context = context or ssl.create_default_context()

    def send(self, letter: Letter) -> None:
        try:
            message = message_of(letter)
        except ValueError as error:
            raise MailRefused("the letter has an address or subject that no mail server takes") from error
        try:
            with self._connect() as server:
                server.send_message(message)
        except (smtplib.SMTPRecipientsRefused, smtplib.SMTPAuthenticationError) as error:
            raise self._refusal(error) from error
        except smtplib.SMTPResponseException as error:
            raise self._by_code(error.smtp_code) from error
        except (smtplib.SMTPException, OSError) as error:
            raise MailError(f"the mail server at {self._host}:{self._port}: {type(error).__name__}") from error

    def _connect(self) -> smtplib.SMTP:
        if self._is_tls:
            server: smtplib.SMTP = smtplib.SMTP_SSL(self._host, self._port, timeout=TIMEOUT_S, context=self._context)
        else:
            server = smtplib.SMTP(self._host, self._port, timeout=TIMEOUT_S)
        try:
            if self._starts_tls:
                server.starttls(context=self._context)
            if self._login is not None:
                server.login(*self._login)
        except BaseException:
            server.close()
            raise
        return server

    def _refusal(self, error: smtplib.SMTPException) -> MailError:
        if isinstance(error, smtplib.SMTPRecipientsRefused):
            return self._by_code(max(code for code, _ in error.recipients.values()))
        assert isinstance(error, smtplib.SMTPAuthenticationError)
        return self._by_code(error.smtp_code)

    @staticmethod
    def _by_code(code: int) -> MailError:
        kind = MailRefused if code >= _PERMANENT else MailError
        return kind(f"the mail server answered {code}")
