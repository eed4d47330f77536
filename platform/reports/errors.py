"""What can go wrong with reports and what is told for them."""

from ..errors import DialtraceError


class ReportError(DialtraceError):
    """Base of this room."""


class QuestionRefused(ReportError):
    """A report cannot be made so; ``field`` names the part of the question."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field} {reason}")
        self.field, self.reason = field, reason


class SpendRefused(ReportError):
    """A row of spend cannot be taken; ``place`` counts the rows from 0, ``field`` names the value."""

    def __init__(self, place: int, field: str, reason: str) -> None:
        super().__init__(f"rows/{place}/{field} {reason}")
        self.place, self.field, self.reason = place, field, reason


class SubscriptionRefused(ReportError):
    """A subscription cannot be so; ``field`` names the value."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field} {reason}")
        self.field, self.reason = field, reason


class SubscriptionUnknown(ReportError):
    """There is no such subscription."""


class SubscriptionChanged(ReportError):
    """It was changed meanwhile."""

    def __init__(self, current: int) -> None:
        super().__init__(f"it was changed: it is at version {current}")
        self.current = current


class LinkInvalid(ReportError):
    """The link is none of ours, or was removed."""


class FontMissing(ReportError):
    """No font is installed that has every letter (Debian: fonts-dejavu-core)."""


class SettingsRefused(ReportError):
    """A setting cannot be taken; ``field`` names it."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field} {reason}")
        self.field, self.reason = field, reason


class VersionMismatch(ReportError):
    """It was changed meanwhile."""

    def __init__(self, current: int) -> None:
        super().__init__(f"it was changed: it is at version {current}")
        self.current = current
