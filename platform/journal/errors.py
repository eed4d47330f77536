"""What can go wrong with a node's journal."""

from ..errors import DialtraceError


class JournalError(DialtraceError):
    """The journal of a node cannot be used."""


class JournalBusy(JournalError):
    """Another process held the journal's lock for too long; trying again will help."""


class JournalUnusable(JournalError):
    """The journal's file cannot be read or written: look at its disk, owner and permissions; if the file itself is
    damaged, stop monitor and agent, move it away and start them again."""
