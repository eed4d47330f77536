"""What the API itself refuses. A problem document's title, status and code come from `catalogue`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..errors import DialtraceError
from .catalogue import CATALOGUE


class ApiError(DialtraceError):
    """Base of this room."""


class SecretKeyMissing(ApiError):
    """The API needs a key to sign cursors: set DIALTRACE_SECRET_KEY."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that is wrong with a request. ``pointer`` is a JSON pointer into the body (`#/name`); for the query and
    the headers ``parameter`` names the culprit instead."""

    code: str
    detail: str
    pointer: str | None = None
    parameter: str | None = None

    def as_document(self) -> dict[str, str]:
        place = {"pointer": self.pointer} if self.pointer is not None else {"parameter": self.parameter or ""}
        return {**place, "code": self.code, "detail": self.detail}


class Problem(ApiError):
    """A request that ends with a problem document (RFC 9457). ``detail`` None: the meaning of its code says all."""

    def __init__(
        self,
        code: str,
        detail: str | None = None,
        *,
        faults: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None,
        members: Mapping[str, object] | None = None,
    ) -> None:
        self.code = code
        self.detail = CATALOGUE[code].meaning if detail is None else detail
        super().__init__(self.detail)
        self.faults = tuple(faults)
        self.headers = dict(headers or {})
        #: Further members of the document.
        self.members = dict(members or {})
