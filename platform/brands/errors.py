"""What can go wrong with a brand."""

from __future__ import annotations

from ..errors import DialtraceError


class BrandError(DialtraceError):
    """Base of this room."""


class DomainTaken(BrandError):
    """Another agency has this domain."""


class BrandChanged(BrandError):
    """It was changed meanwhile. ``current`` is its version now."""

    def __init__(self, current: int) -> None:
        super().__init__(f"it was changed; it is at version {current}")
        self.current = current


class ValueRefused(BrandError):
    """A value of a brand is not usable. ``field`` names it, ``reason`` says how to mend it."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason
