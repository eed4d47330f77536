"""What can go wrong with exports."""

from ..errors import DialtraceError


class ExportsError(DialtraceError):
    """An export is not as it must be."""


class ExportUnknown(ExportsError):
    """There is no such export."""


class ExportScheduleUnknown(ExportsError):
    """There is no such export schedule."""


class ExportFileMissing(ExportsError):
    """This export has no such file, or its time is over."""


class ExportTooLarge(ExportsError):
    """More rows than are streamed at once: make it a job with POST /v1/exports."""


class ScheduleChanged(ExportsError):
    """The schedule was changed meanwhile."""

    def __init__(self, current: int) -> None:
        super().__init__(f"it is at version {current}")
        self.current = current


class ValueRefused(ExportsError):
    """A value is not usable; ``field`` says which, ``reason`` why."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason
