"""What can go wrong with attribution."""

from ..errors import DialtraceError


class AttributionError(DialtraceError):
    """An attribution cannot be made, read or corrected."""


class AttributionBroken(AttributionError):
    """Attributions could not be written with their records; the records are to be stored without them."""


class CallNotThere(AttributionError):
    """There is no such call."""


class VisitUnknown(AttributionError):
    """There is no such visit."""


class CodeUnknown(AttributionError):
    """Nobody had this promo code when the call began, or it was mistyped."""


class NoCodeFree(AttributionError):
    """So many promo codes are in use that none was found free."""


class ModelRefused(AttributionError):
    """Models cannot be compared so."""


class ValueRefused(AttributionError):
    """A value cannot be used; ``field`` names it, ``reason`` says how to mend it."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class CorrectionRefused(ValueRefused):
    """A correction is not usable."""


class ImpressionRefused(ValueRefused):
    """An impression is not usable."""
