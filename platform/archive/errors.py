"""What can go wrong with months that are to go."""

from ..errors import DialtraceError


class ArchiveError(DialtraceError):
    """Base of this room."""


class MonthUnknown(ArchiveError):
    """A month is written YYYY-MM, and only one that is over can go."""


class ArchiveUnknown(ArchiveError):
    """Nothing of this table and month has gone to the archive."""


class MonthStays(ArchiveError):
    """The month cannot go yet."""


class MonthMoved(ArchiveError):
    """The month changed while it was exported; it is exported anew by the next run."""


class RetireBusy(ArchiveError):
    """Another process is retiring a month at this moment."""


class ArchiveBroken(ArchiveError):
    """What the object store gives back is not what was written. A month that was to go stays in the database."""
