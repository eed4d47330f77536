"""What can go wrong with prices, accounts and statements. Each class answers for one sentence to the caller."""

from __future__ import annotations

from ..errors import DialtraceError


class BillingError(DialtraceError):
    """Something about money is not as asked."""


class ValueRefused(BillingError):
    """A value is not as it must be."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field} {reason}")
        self.field = field
        self.reason = reason


class BookUnknown(BillingError):
    """There is no such price book."""


class AccountUnknown(BillingError):
    """There is no such billing account."""


class EditionUnknown(BillingError):
    """The price book has no such edition."""


class StatementUnknown(BillingError):
    """The account has no statement of that month."""


class RatingUnknown(BillingError):
    """There is no such rating."""


class ReferenceTaken(BillingError):
    """The reference stands for another movement already."""


class VersionMismatch(BillingError):
    """It was changed since it was read."""

    def __init__(self, current: int) -> None:
        super().__init__(f"it was changed and is now at version {current}")
        self.current = current


class FontMissing(BillingError):
    """No font is installed that has every letter (Debian: fonts-dejavu-core)."""
