"""What can go wrong with integrations: refusals to whoever sets one up, and what may become of a delivery."""

from __future__ import annotations

from ..errors import DialtraceError


class IntegrationError(DialtraceError):
    """Something about an integration is not as asked."""


class IntegrationUnknown(IntegrationError):
    """There is no such integration."""


class DeliveryUnknown(IntegrationError):
    """There is no such delivery."""


class CallUnknown(IntegrationError):
    """There is no such call."""


class OwnerUnknown(IntegrationError):
    """There is no such client."""


class TooManyIntegrations(IntegrationError):
    """There are as many integrations as one client may have."""


class NotWaiting(IntegrationError):
    """The delivery is on its way at this moment."""


class VersionMismatch(IntegrationError):
    """The integration was changed meanwhile. ``current`` is the version that it has now."""

    def __init__(self, current: int) -> None:
        super().__init__(f"the integration is at version {current} now")
        self.current = current


class ValueRefused(IntegrationError):
    """A value of an integration is not usable. ``field`` names it (`settings/chat_id`), ``reason`` says how to mend
    it."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class Outcome(IntegrationError):
    """A delivery did not go through. ``word``: one of a bounded set, for records and metrics; ``detail``: the same for
    people, with what they can do. ``in_doubt``: the request may have been carried out all the same. Whatever has no
    class of its own below is no outcome."""

    in_doubt = False

    def __init__(self, word: str, detail: str = "") -> None:
        super().__init__(f"{word}: {detail}" if detail else word)
        self.word = word
        self.detail = detail


class Retry(Outcome):
    """The same may succeed later; so many tries and it is given up."""

    def __init__(self, word: str, detail: str = "", *, in_doubt: bool = False) -> None:
        super().__init__(word, detail)
        self.in_doubt = in_doubt


class Later(Outcome):
    """Not now: a limit or a pause of the other side's. It does not count as a try."""

    def __init__(self, word: str, detail: str = "", *, after_s: float) -> None:
        super().__init__(word, detail)
        self.after_s = after_s


class GiveUp(Outcome):
    """This one will not succeed, however often it is tried; the next ones may."""


class NothingToDo(Outcome):
    """The integration's settings say that this is not to be told."""


class Broken(Outcome):
    """The connection is: a credential or a right. Nothing is sent until somebody mends it."""


class ClaimLost(IntegrationError):
    """Another process has the delivery by now: whoever is told so stops at once."""
