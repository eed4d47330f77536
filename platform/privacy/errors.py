"""What can go wrong with retention, holds and requests of persons."""

from __future__ import annotations

from ..errors import DialtraceError


class PrivacyError(DialtraceError):
    """Something about what is kept of people is not as asked."""


class HoldUnknown(PrivacyError):
    """There is no such legal hold."""


class RequestUnknown(PrivacyError):
    """There is no such request."""


class ReceiptUnknown(PrivacyError):
    """There is no such receipt."""


class OwnerUnknown(PrivacyError):
    """There is no such client."""


class FileUnavailable(PrivacyError):
    """There is no file to fetch: the request is not an export, is not done, or its file's time is over."""


class ReceiptForged(PrivacyError):
    """The receipt is not what was signed: its text was changed, or it was signed by another key."""


class ValueRefused(PrivacyError):
    """A value is not usable. ``field`` names it, ``reason`` says how to mend it."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class CopyUnreadable(PrivacyError):
    """An object that holds copies of records cannot be read, so nobody can say that the person is not in it."""
