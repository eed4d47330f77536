"""What can go wrong with messages."""

from ..errors import DialtraceError


class MessageError(DialtraceError):
    """Something about a message is not as asked."""


class EventUnknown(MessageError):
    """There is no such event."""


class CursorUnusable(MessageError):
    """The cursor was not made here, or is another agency's."""
