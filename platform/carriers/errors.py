"""What can go wrong with carriers, orders of numbers and ports."""

from ..errors import DialtraceError


class CarrierError(DialtraceError):
    """Base of this room."""


class CarrierUnknown(CarrierError):
    """There is no such carrier."""


class CarrierNameTaken(CarrierError):
    """Another carrier has this name."""


class OrderUnknown(CarrierError):
    """There is no such order."""


class ClientOfOrderUnknown(CarrierError):
    """There is no such client, or it has no such flow."""


class OrderNotOpen(CarrierError):
    """The order does not allow this in its state."""

    def __init__(self, state: str, wanted: str) -> None:
        super().__init__(f"it is {state}; that is no way to {wanted}")


class ReturnUnknown(CarrierError):
    """No such number is on its way back to a carrier."""


class ReturnOver(CarrierError):
    """The number is with its carrier, or in service again."""

    def __init__(self, state: str) -> None:
        super().__init__(f"it is {state}")


class ValueRefused(CarrierError):
    """A value that cannot be taken; ``field`` names it."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field} {reason}")
        self.field, self.reason = field, reason


class VersionMismatch(CarrierError):
    """It was changed meanwhile."""

    def __init__(self, current: int) -> None:
        super().__init__(f"it was changed: it is at version {current}")
        self.current = current


class CarrierRefuses(CarrierError):
    """The carrier does not do what was asked; trying again does not help."""


class CarrierAway(CarrierError):
    """The carrier does not answer at the moment; trying again may help."""
