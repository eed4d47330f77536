"""What can go wrong with numbers. Each class answers for one sentence to the caller."""

from __future__ import annotations

from ..errors import DialtraceError


class NumberError(DialtraceError):
    """Something about a number is not as asked."""


class NumberUnknown(NumberError):
    """There is no such number."""


class NumberTaken(NumberError):
    """The number is in use already."""


class NumberLeaving(NumberError):
    """The number's carrier is being asked to take it back: once that is over it can be had again."""


class NumberReleased(NumberError):
    """The number was released and cannot be changed any more; add it again to use it."""


class HolderUnknown(NumberError):
    """There is no such client."""


class FlowUnknown(NumberError):
    """The client has no such flow."""


class ValueRefused(NumberError):
    """A value of a number is not usable. ``field`` names it, ``reason`` says how to mend it."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class VersionMismatch(NumberError):
    """The number was changed meanwhile. ``current`` is the version that it has now."""

    def __init__(self, current: int) -> None:
        super().__init__(f"the number is at version {current} now")
        self.current = current
