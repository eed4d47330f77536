"""What can go wrong with agencies, clients and keys. Each class answers for one sentence to the caller."""

from __future__ import annotations

from ..errors import DialtraceError


class TenancyError(DialtraceError):
    """Something about an agency, a client or a key is not as asked."""


class InvalidKey(TenancyError):
    """The API key is unknown, revoked or has expired."""


class AddressRefused(TenancyError):
    """The key is valid, but not to be used from this address."""


class KeyOver(TenancyError):
    """The key is revoked or has expired: make another instead of rotating it."""


class AgencyUnknown(TenancyError):
    """There is no such agency."""


class ClientUnknown(TenancyError):
    """There is no such client."""


class KeyUnknown(TenancyError):
    """There is no such API key."""


class VersionMismatch(TenancyError):
    """It was changed meanwhile."""

    def __init__(self, current: int) -> None:
        super().__init__(f"it is at version {current}: read it again and repeat the change")
        self.current = current


class ValueRefused(TenancyError):
    """A value of an agency, a client or a key is not usable. ``field`` names it, ``reason`` says how to mend it."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason
