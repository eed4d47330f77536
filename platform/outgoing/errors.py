"""What can go wrong with a request to somebody else's machine, told apart by whether trying again would help."""

from __future__ import annotations

from ..errors import DialtraceError


class OutgoingError(DialtraceError):
    """The request was not made, or not answered."""

    #: Whether the same request, unchanged, may succeed later.
    retry_helps = True
    #: Names the case in metrics and records; one of a bounded set.
    word = "failed"


class UrlRefused(OutgoingError):
    """The address is not one that requests are sent to."""

    retry_helps = False
    word = "url_refused"


class AddressRefused(OutgoingError):
    """The name leads to a machine that requests from here must not reach."""

    retry_helps = False
    word = "address_refused"


class RequestTooBig(OutgoingError):
    """The body is larger than what is sent at a time."""

    retry_helps = False
    word = "request_too_big"


class TooBusy(OutgoingError):
    """As many requests as may run at a time are running already."""

    word = "too_busy"


class NameNotFound(OutgoingError):
    """The name cannot be looked up."""

    word = "name_not_found"


class NotConnected(OutgoingError):
    """Nobody took the connection."""

    word = "not_connected"


class TlsFailed(OutgoingError):
    """The other side could not prove who it is, or does not speak TLS."""

    word = "tls_failed"


class BrokenAnswer(OutgoingError):
    """The connection ended too early, or what came is not HTTP."""

    word = "broken_answer"


class TimedOut(OutgoingError):
    """There was no whole answer in time."""

    word = "timed_out"
