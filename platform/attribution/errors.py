"""What can go wrong with attribution."""

from ..errors import DialtraceError


class AttributionError(DialtraceError):
    """An attribution cannot be made, read or corrected."""


class ModelRefused(AttributionError):
    """A model of attribution cannot be asked so."""


class CorrectionRefused(AttributionError):
    """A correction is not usable."""


class VisitUnknown(AttributionError):
    """There is no such visit."""


class CodeUnknown(AttributionError):
    """There is no such promo code, or it was mistyped, or its time is over."""


class NoCodeFree(AttributionError):
    """So many promo codes are in use that no free one was found; ask again later."""


class ImpressionRefused(AttributionError):
    """An impression is not usable."""
