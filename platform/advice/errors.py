"""What can go wrong with advice."""

from ..errors import DialtraceError


class AdviceRefused(DialtraceError):
    """Advice cannot be given so; ``field`` names the part of the question."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field} {reason}")
        self.field, self.reason = field, reason
