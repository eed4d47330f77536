"""What can go wrong with the object store. ``retry_helps`` answers whether the same request may succeed later."""

from ..errors import DialtraceError


class ObjectStoreError(DialtraceError):
    """Base of this room."""

    retry_helps = False


class StoreAddressFaulty(ObjectStoreError):
    """The store's address must be a folder (/path or file:///path) or s3://bucket/prefix."""


class ObjectNameFaulty(ObjectStoreError, ValueError):
    """Object names hold letters, digits, `.`, `_`, `-` and single `/` between parts; no part begins with `.`."""


class ObjectMissing(ObjectStoreError):
    """There is no such object in the store."""


class RangeNotSatisfiable(ObjectStoreError, ValueError):
    """The range begins behind the object's end."""


class StoreUnavailable(ObjectStoreError):
    """The store does not answer, or asks us to slow down."""

    retry_helps = True


class StoreRefuses(ObjectStoreError):
    """The store refuses: look at credentials, bucket and rights."""

    retry_helps = True


class NotConfirmed(ObjectStoreError):
    """What the store holds is not what was sent."""

    retry_helps = True


class SealedObjectBroken(ObjectStoreError):
    """An encrypted object was changed or cut short in the store, or its key is another one."""
