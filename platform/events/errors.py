"""What can go wrong with the event log."""

from ..errors import DialtraceError


class EventError(DialtraceError):
    """An event cannot be written or read."""


class EventRefused(EventError):
    """An event is not usable: it lacks a type or a moment, or holds what is no plain JSON."""
