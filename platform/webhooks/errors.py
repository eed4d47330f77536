"""What can go wrong with webhooks. Each class answers for one sentence to the caller."""

from __future__ import annotations

from ..errors import DialtraceError


class WebhookError(DialtraceError):
    """Something about a webhook is not as asked."""


class WebhookUnknown(WebhookError):
    """There is no such webhook."""


class DeliveryUnknown(WebhookError):
    """There is no such delivery."""


class OwnerUnknown(WebhookError):
    """There is no such client."""


class TooManyWebhooks(WebhookError):
    """There are as many webhooks as one owner may have."""


class NotWaiting(WebhookError):
    """The delivery is on its way at this moment."""


class VersionMismatch(WebhookError):
    """The webhook was changed meanwhile. ``current`` is the version that it has now."""

    def __init__(self, current: int) -> None:
        super().__init__(f"the webhook is at version {current} now")
        self.current = current


class ValueRefused(WebhookError):
    """A value of a webhook is not usable. ``field`` names it, ``reason`` says how to mend it."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason
