"""A letter as a value, and its form on the wire. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime


@dataclass(frozen=True, kw_only=True)
class Letter:
    """A letter in plain text. ``sender_name``: the brand that it comes from. ``id``: the same for each try, so that a
    mail server may know a repetition."""

    id: str
    to: str
    subject: str
    text: str
    sender: str
    sender_name: str
    language: str
    at: datetime

    def __repr__(self) -> str:
        return f"Letter({self.id})"


def message_of(letter: Letter) -> EmailMessage:
    """The letter as RFC 5322 has it. Raises ValueError for an address that is none, or a line break in a header."""
    message = EmailMessage()
    message["From"] = Address(display_name=letter.sender_name, addr_spec=letter.sender)
    message["To"] = Address(addr_spec=letter.to)
    message["Subject"] = letter.subject
    message["Date"] = format_datetime(letter.at)
    message["Message-ID"] = f"<{letter.id}@{letter.sender.rpartition('@')[2]}>"
    message["Content-Language"] = letter.language
    # No answer is read by a machine, and no machine is to answer (RFC 3834).
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(letter.text)
    return message
