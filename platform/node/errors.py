"""What can go wrong in the embedded node, named. Knows nothing of sockets or SIP messages."""

from ..errors import DialtraceError


class NodeError(DialtraceError):
    """The embedded node could not do what was asked."""


class BadNodeConfig(NodeError):
    """The embedded node was given a setting that cannot work."""


class AddressTaken(NodeError):
    """An address of the node cannot be listened on."""


class UnknownSippy(NodeError):
    """The node leans on internals of one release of sippy, and another one is installed."""


class BadDialplan(NodeError):
    """The dialplan file cannot be read."""


class BadDialString(NodeError):
    """A dial string cannot be understood."""


class BadTone(NodeError):
    """A tone or silence description cannot be understood."""


class PromptMissing(NodeError):
    """There is no sound at that path."""


class NoPortLeft(NodeError):
    """Every RTP port of the node's range is taken."""


class NoCommonCodec(NodeError):
    """The offer holds neither PCMU nor PCMA."""


class BadSessionDescription(NodeError):
    """A session description (SDP) cannot be understood."""


class ScriptFailed(NodeError):
    """A dialplan script raised an error."""
