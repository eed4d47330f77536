"""What can go wrong with a load run. Each says what, where and how to mend it."""

from __future__ import annotations

from collections.abc import Sequence

from ..errors import DialtraceError


class LoadRunError(DialtraceError):
    """A load run cannot go on."""


class ProfileFaulty(LoadRunError):
    """A profile cannot be used; all its faults at once."""

    def __init__(self, name: str, faults: Sequence[str]) -> None:
        super().__init__(f"{name} cannot be used:" + "".join(f"\n  {fault}" for fault in faults))
        self.faults = list(faults)


class NotAllowed(LoadRunError):
    """An address would get traffic that nobody has allowed."""


class HostFailed(LoadRunError):
    """A host does not do what is asked of it."""


class GeneratorFailed(LoadRunError):
    """A process that places, answers or measures calls did not run as it should."""


class SystemNotReady(LoadRunError):
    """What is to be loaded does not work before the first call."""


class ReportUnknown(LoadRunError):
    """A file is not the JSON of an earlier load run."""
