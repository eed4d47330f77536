"""What can go wrong with sites and visits. Each class answers for one sentence to the caller."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import DialtraceError


class SiteError(DialtraceError):
    """Something about a site or a visit is not as asked."""


class SiteUnknown(SiteError):
    """There is no such site."""


class VisitUnknown(SiteError):
    """There is no such visit."""


class OwnerUnknown(SiteError):
    """There is no such client."""


class NoDraft(SiteError):
    """The site has no draft of its rules."""


class SourceDataBroken(SiteError):
    """The list of sources contradicts itself."""


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a document. ``pointer`` (JSON pointer) says where."""

    pointer: str
    code: str
    message: str


class SiteFaulty(SiteError):
    """Values of a site are not usable; every fault is listed."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(f"{fault.pointer} {fault.message}" for fault in faults))
        self.faults = tuple(faults)


class VersionMismatch(SiteError):
    """It was changed meanwhile. ``current`` is the version that it has now."""

    def __init__(self, current: int) -> None:
        super().__init__(f"it is at version {current} now")
        self.current = current
