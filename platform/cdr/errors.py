"""What can go wrong with call records."""

from ..errors import DialtraceError


class CdrError(DialtraceError):
    """Base of this room. ``file_at_fault`` answers the agent's question: would the same file ever be accepted later?"""

    file_at_fault = False


class CdrUnreadable(CdrError):
    """This is JSON, but not a CDR that a switch of ours writes."""

    file_at_fault = True


class CdrRefused(CdrError):
    """The database refuses this record as such."""

    file_at_fault = True


class RecordsAway(CdrError):
    """The database does not answer; the files stay where they are."""


class CallUnknown(CdrError):
    """No such call."""
