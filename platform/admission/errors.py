"""What can go wrong with limits, block lists and destinations. Each class answers for one sentence to the caller."""

from __future__ import annotations

from ..errors import DialtraceError


class AdmissionError(DialtraceError):
    """Something about a limit, a block or a destination is not as asked."""


class OwnerUnknown(AdmissionError):
    """There is no such client."""


class BlockUnknown(AdmissionError):
    """There is no such entry on the block list."""


class CallerUnknown(AdmissionError):
    """There is no such call, or its caller withheld the number."""


class ValueRefused(AdmissionError):
    """A value is not usable. ``field`` names it, ``reason`` says how to mend it."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason
