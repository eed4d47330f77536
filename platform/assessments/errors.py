"""What can go wrong with what people say of a call."""

from ..errors import DialtraceError


class AssessmentError(DialtraceError):
    """Base of this room."""


class ValueRefused(AssessmentError):
    """A value that cannot be taken; ``field`` names it; `value/amount` inside of a value."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field} {reason}")
        self.field, self.reason = field, reason


class VersionMismatch(AssessmentError):
    """It was changed meanwhile."""

    def __init__(self, current: int) -> None:
        super().__init__(f"it was changed: it is at version {current}")
        self.current = current
