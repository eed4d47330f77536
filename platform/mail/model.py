"""A letter as a value, and its form on the wire. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import default
from email.utils import format_datetime

_LONGEST_LINE = 900


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """A file that goes with a letter. ``media_type``: such as application/pdf."""

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True, kw_only=True)
class Letter:
    """A letter in plain text, and in HTML too where it has some. ``sender_name``: the brand that it comes from. ``id``:
    the same for each try, so that a mail server may know a repetition. ``pictures``: PNGs that the HTML shows as
    `cid:NAME`. ``unsubscribe_url``: takes a POST (RFC 8058) of whoever wants no more of these."""

    id: str
    to: str
    subject: str
    text: str
    sender: str
    sender_name: str
    language: str
    at: datetime
    html: str = ""
    pictures: Mapping[str, bytes] = field(default_factory=dict)
    files: Sequence[Attachment] = ()
    unsubscribe_url: str = ""

    def __repr__(self) -> str:
        return f"Letter({self.id})"


def message_of(letter: Letter) -> EmailMessage:
    """The letter as RFC 5322 has it. Raises ValueError for an address that is none, or a line break in a header."""
    # A link is one word; lines as short as usual would break it up.
    message = EmailMessage(policy=default.clone(max_line_length=_LONGEST_LINE))
    message["From"] = Address(display_name=letter.sender_name, addr_spec=letter.sender)
    message["To"] = Address(addr_spec=letter.to)
    message["Subject"] = letter.subject
    message["Date"] = format_datetime(letter.at)
    message["Message-ID"] = f"<{letter.id}@{letter.sender.rpartition('@')[2]}>"
    # No answer is read by a machine, and no machine is to answer (RFC 3834).
    message["Auto-Submitted"] = "auto-generated"
    if letter.unsubscribe_url:
        message["List-Unsubscribe"] = f"<{letter.unsubscribe_url}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content(letter.text)
    if letter.html:
        message.add_alternative(letter.html, subtype="html")
        *_, html = message.iter_parts()
        assert isinstance(html, EmailMessage)
        for name, picture in letter.pictures.items():
            html.add_related(picture, maintype="image", subtype="png", cid=f"<{name}>", filename=f"{name}.png")
    for file in letter.files:
        kind, _, subtype = file.media_type.partition("/")
        message.add_attachment(file.content, maintype=kind, subtype=subtype, filename=file.name)
    # At last: whatever is added takes what says something of the content into a part.
    message["Content-Language"] = letter.language
    return message
