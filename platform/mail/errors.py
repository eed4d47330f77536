"""What can go wrong with a letter. A class answers whether trying again would help."""

from __future__ import annotations

from ..errors import DialtraceError


class MailError(DialtraceError):
    """A letter was not taken."""

    #: Whether the same letter may be taken later.
    retry_helps = True


class MailRefused(MailError):
    """The mail server will never take this letter: an address it does not know, or a login it refuses."""

    retry_helps = False


class MailSettingsFaulty(MailError):
    """The address of the mail server is not usable: smtp://user:password@host:587 or smtps://user:password@host."""

    retry_helps = False
