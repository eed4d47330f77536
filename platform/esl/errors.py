"""What can go wrong on an event socket, sorted by the one question a caller asks: is the connection dead, or was
only this command refused?

``connection_dead`` answers it. When it is true the socket is already closed or must be; when it is false the
connection is as good as before. Messages never hold a caller's number or name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar

from ..errors import DialtraceError

if TYPE_CHECKING:
    from .wire import Command, Frame


class EslError(DialtraceError):
    """Something went wrong on an event socket."""

    connection_dead: ClassVar[bool] = True


class WireError(EslError):
    """The peer sent bytes that are not the event socket protocol, or more of them than a cap allows."""

    def __init__(self, message: str = "", *, before: Sequence[Frame] | Sequence[Command] = ()) -> None:
        super().__init__(message)
        #: What was complete, in the same feed, before the fault; a reader hands these over before it reports.
        self.before = tuple(before)


class ConnectionLost(EslError):
    """The peer closed the connection, or it broke."""


class NobodySpoke(ConnectionLost):
    """The peer closed the connection without having said anything: the call had ended, or it was a probe."""


class ClosedHere(ConnectionLost):
    """We closed the connection ourselves."""


class CommandTimeout(EslError):
    """No reply came in time; replies are matched by order alone, so the connection is closed."""


class QueueOverflow(EslError):
    """Events came faster than they were handled for so long that the queue is full; the connection is closed.

    Nothing is dropped silently: what is queued is still delivered, and the owner resynchronises.
    """


class AccessDenied(EslError):
    """The switch refused our address or our password."""


class BindFailed(EslError):
    """No port of those asked for could be bound."""


class CommandRefused(EslError):
    """The switch answered a command with an error; the connection is alive."""

    connection_dead = False

    def __init__(self, reply: str = "") -> None:
        super().__init__(f"the switch refused a command: {reply[:200]!r}")
        #: The switch's answer, raw.
        self.reply = reply


class BadEvent(EslError):
    """One event or connect reply makes no sense; the framing around it, and so the connection, is intact."""

    connection_dead = False


class UnsafeValue(EslError, ValueError):
    """A value must not reach the switch; nothing was sent."""

    connection_dead = False


class HandlerFailed(EslError):
    """The code that handles a call raised; its connection was closed, so that the dialplan's fallback takes over."""


class TurnedAway(EslError):
    """More came than can be answered in time; the connection was closed, so that the dialplan's fallback takes over."""
