"""What can go wrong with a client's document. Each class answers for one sentence to the caller."""

from __future__ import annotations

from ..errors import DialtraceError


class DocumentError(DialtraceError):
    """Something about a client's document is not as asked."""


class DocumentFaulty(DocumentError):
    """The document cannot be applied. ``pointer``: where the fault is (RFC 6901)."""

    def __init__(self, pointer: str, reason: str) -> None:
        super().__init__(f"{pointer}: {reason}")
        self.pointer = pointer
        self.reason = reason
