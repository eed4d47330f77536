"""What can go wrong with the audit log."""

from ..errors import DialtraceError


class AuditError(DialtraceError):
    """Base of this room."""


class EntryFaulty(AuditError, ValueError):
    """An entry names its action as `thing.verb` in small letters, and holds no more than a few short facts."""
