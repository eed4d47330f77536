"""What can go wrong with pools. Each class answers for one sentence to the caller."""

from __future__ import annotations

from ..errors import DialtraceError


class PoolError(DialtraceError):
    """Something about a pool is not as asked."""


class PoolUnknown(PoolError):
    """There is no such pool."""


class HolderUnknown(PoolError):
    """There is no such client."""


class FlowUnknown(PoolError):
    """The client has no such flow."""


class PoolClosed(PoolError):
    """The pool is closed."""


class NotTogether(PoolError):
    """What several visits asked for could not be carried out in one transaction; nothing of it was."""


class NumberNotFit(PoolError):
    """The number cannot be used so. The message says why."""


class ValueRefused(PoolError):
    """A value is not usable. ``field`` names it, ``reason`` says how to mend it."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class VersionMismatch(PoolError):
    """The pool was changed meanwhile. ``current`` is the version that it has now."""

    def __init__(self, current: int) -> None:
        super().__init__(f"the pool is at version {current} now")
        self.current = current
