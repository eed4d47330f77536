"""What can go wrong with trunks. Each class answers for one sentence to the caller."""

from __future__ import annotations

from ..errors import DialtraceError


class TrunkError(DialtraceError):
    """Something about a trunk is not as asked."""


class TrunkUnknown(TrunkError):
    """There is no such trunk."""


class TrunkNameTaken(TrunkError):
    """Another trunk has this name already."""


class VersionMismatch(TrunkError):
    """The trunk was changed meanwhile. ``current`` is the version that it has now."""

    def __init__(self, current: int) -> None:
        super().__init__(f"the trunk is at version {current} now")
        self.current = current


class ValueRefused(TrunkError):
    """A value of a trunk is not usable. ``field`` names it, ``reason`` says how to mend it."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason
